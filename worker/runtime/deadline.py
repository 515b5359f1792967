"""`stop.deadline`: "05:30" on the local wall clock, or a duration such as "1h30m"."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")


def parse_deadline(text: str) -> str:
    """Return `text` when `deadline_at` understands it; raise ValueError when not."""
    deadline_at(text, start=datetime.now().astimezone())
    return text


def deadline_at(text: str, *, start: datetime) -> datetime:
    """Return the moment that `text` names, for a run that began at `start` (with a time zone).

    A wall-clock time is its next occurrence after `start` in this machine's time zone, so "05:30"
    at 22:00 is tomorrow's. In the night in which an hour comes twice, each of the two counts; a
    time that the change to summer time leaves out is the moment of the change.
    """
    if clock := _CLOCK.fullmatch(text):
        return _next_moment(start.astimezone(), time(int(clock[1]), int(clock[2])))
    if text and (parts := _DURATION.fullmatch(text)):
        hours, minutes, seconds = (int(part or 0) for part in parts.groups())
        if hours or minutes or seconds:
            return start + timedelta(hours=hours, minutes=minutes, seconds=seconds)
    raise ValueError('is neither a time such as "05:30" nor a duration such as "2h" or "90m"')


def _next_moment(start: datetime, clock: time) -> datetime:
    """Return the first moment after `start`, a local time, at which a clock shows `clock`."""
    day = start.date() - timedelta(days=1)  # clocks may be set back across midnight
    while True:
        for moment in _moments(day, clock):
            if moment > start:
                return moment
        day += timedelta(days=1)


def _moments(day: date, clock: time) -> list[datetime]:
    """Return when the clocks of this machine show `clock` on a day: once or twice, in order."""
    wall = datetime.combine(day, clock)
    # By the zone's rules one moment, or two: both times, or before and after what is left out.
    first, last = sorted(wall.replace(fold=fold).astimezone() for fold in (0, 1))
    if first == last:
        return [first]
    return [first, last] if first.replace(tzinfo=None) == wall else [_change(first, last)]


def _change(before: datetime, after: datetime) -> datetime:
    """Return the moment between the two, a second before and after, from which on `after` holds."""
    while (between := (after - before) / 2) > timedelta(seconds=0.5):
        middle = (before + between).astimezone()
        if middle.utcoffset() == before.utcoffset():
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)
