"""`stop.deadline`: "05:30" on the local wall clock, or a duration such as "1h30m"."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")


def parse_deadline(text: str) -> str:
    """Return `text` when `deadline_at` understands it; raise ValueError when not."""
    deadline_at(text, start=datetime.now().astimezone())
    return text


def deadline_at(text: str, *, start: datetime) -> datetime:
    """Return the moment that `text` names, for a run that began at `start` (with a time zone).

    A wall-clock time is its next occurrence after `start` in this machine's time zone, so "05:30"
    at 22:00 is tomorrow's.
    """
    if clock := _CLOCK.fullmatch(text):
        local = start.astimezone().replace(tzinfo=None)
        at = local.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
        # The zone comes back last: the offset may be another one on that day (summer time).
        return (at if at > local else at + timedelta(days=1)).astimezone()
    if text and (parts := _DURATION.fullmatch(text)):
        hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        if hours or minutes or seconds:
            return start + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    raise ValueError('is neither a time such as "05:30" nor a duration such as "2h" or "90m"')
