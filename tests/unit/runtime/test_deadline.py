"""`stop.deadline`: wall clock or duration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from worker.runtime.deadline import deadline_at, parse_deadline


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine with summer time: CET, and CEST from the end of March to the end of October."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_berlin")
@pytest.mark.parametrize(
    ("start", "text", "deadline"),
    [
        ("2026-11-21T22:00:00+01:00", "05:30", "2026-11-22T05:30:00+01:00"),
        ("2026-11-21T05:29:59+01:00", "05:30", "2026-11-21T05:30:00+01:00"),
        ("2026-11-21T05:30:00+01:00", "05:30", "2026-11-22T05:30:00+01:00"),
        ("2026-03-28T22:00:00+01:00", "5:30", "2026-03-29T05:30:00+02:00"),
        ("2026-11-21T22:00:00+01:00", "2h", "2026-11-22T00:00:00+01:00"),
        ("2026-11-21T22:00:00+01:00", "90m", "2026-11-21T23:30:00+01:00"),
        ("2026-11-21T22:00:00+01:00", "1h30m15s", "2026-11-21T23:30:15+01:00"),
        ("2026-03-28T22:00:00+01:00", "6h", "2026-03-29T05:00:00+02:00"),
    ],
)
def test_a_deadline_is_the_next_such_moment(start: str, text: str, deadline: str) -> None:
    found = deadline_at(text, start=datetime.fromisoformat(start))
    assert found == datetime.fromisoformat(deadline)


# Rules of a zone, as POSIX writes them, and the days on which its clocks change.
ZONES = {
    "Berlin": ("CET-1CEST,M3.5.0,M10.5.0/3", ["2026-03-29", "2026-10-25"]),
    "New York": ("EST5EDT,M3.2.0,M11.1.0", ["2026-03-08", "2026-11-01"]),
    "Lord Howe": ("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", ["2026-04-05", "2026-10-04"]),
    "Kolkata": ("IST-5:30", ["2026-03-29"]),
}


@pytest.mark.parametrize("zone", ZONES)
def test_around_a_change_of_the_clocks_a_deadline_is_when_they_next_show_it(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every minute of a night as the start, every fifth as the deadline, held against a clock.

    What a change leaves out is the moment of the change.
    """
    rules, days = ZONES[zone]
    monkeypatch.setenv("TZ", rules)
    time.tzset()
    try:
        for day in days:
            night_s = int(datetime.fromisoformat(f"{day}T00:00").timestamp())
            shown = [_minute_of_day(night_s + 60 * n) for n in range(-180, 3 * 1440)]
            moments: dict[int, list[int]] = {}
            for n, (before, now) in enumerate(pairwise(shown), -179):
                skipped = range(before + 1, now + 1) if now > before else [now]
                for minute in skipped if now - before < 120 else [now]:
                    moments.setdefault(minute, []).append(n)
            for start in range(-60, 300):
                for minute in range(0, 300, 5):
                    wanted = next(n for n in moments[minute] if n > start)
                    found = deadline_at(
                        f"{minute // 60:02}:{minute % 60:02}",
                        start=datetime.fromtimestamp(night_s + 60 * start, UTC),
                    )
                    assert (found.timestamp() - night_s) / 60 == wanted, (day, start, minute)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_clocks_that_are_set_back_across_midnight_show_yesterday_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in Newfoundland until 2011: at 00:01 of the 7th it is 23:01 of the 6th."""
    monkeypatch.setenv("TZ", "NST3:30NDT,M3.2.0/0:01,M11.1.0/0:01")
    time.tzset()
    try:
        start = datetime.fromisoformat("2010-11-07T00:00:30-02:30")
        found = deadline_at("23:30", start=start)
        assert found == datetime.fromisoformat("2010-11-06T23:30:00-03:30")
    finally:
        monkeypatch.undo()
        time.tzset()


def _minute_of_day(at_s: int) -> int:
    clock = time.localtime(at_s)
    return 60 * clock.tm_hour + clock.tm_min


@pytest.mark.parametrize("text", ["", "25:00", "05:60", "2", "2d", "h", "0m", "tomorrow", "-1h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a time"):
        parse_deadline(text)
