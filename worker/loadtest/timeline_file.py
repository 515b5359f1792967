"""The timeline on disk: a line of JSON for each interval, there as soon as the interval is over.

So a test that is killed, or still running, has one; its last line may be torn.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from worker.loadtest.measure import Interval
from worker.store.base import Store

TIMELINE_NAME: Final = "_loadtest_timeline.jsonl"


class TimelineFile:
    """Takes the intervals of a test, about one a second, some 400 bytes each."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._file = store.open_growing(TIMELINE_NAME)

    def add(self, interval: Interval) -> None:
        """Append an interval; a kill cannot lose it now. Raises OutputError if the disk refuses."""
        with self._store.errors_as_advice():
            self._file.append([line_of(interval)])

    def close(self) -> None:
        """Bring all of it to the disk, where the loss of the machine cannot take it."""
        with self._store.errors_as_advice():
            self._file.close()


def line_of(interval: Interval) -> bytes:
    """Return an interval as the file has it: an object with its fields, and the end of the line."""
    values = {name: _short(value) for name, value in interval._asdict().items()}
    return orjson.dumps(values, option=orjson.OPT_APPEND_NEWLINE)


def _short(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
