"""`stop.deadline`: wall clock or duration."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

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


@pytest.mark.parametrize("text", ["", "25:00", "05:60", "2", "2d", "h", "0m", "tomorrow", "-1h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a time"):
        parse_deadline(text)
