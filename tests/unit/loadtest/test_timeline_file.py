"""The timeline of a load test, as it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from worker.errors import OutputError
from worker.loadtest.measure import Interval
from worker.loadtest.timeline_file import TIMELINE_NAME, TimelineFile
from worker.store.local import LocalStore

INTERVAL = Interval(
    at_s=1.0004, seconds=1.0, stage=0, target_tps=10.0, sent=10, successes=9, throttles=0, errors=1,
    errors_by_code={"TimedOut": 1}, missed=0, in_flight=1, p50_ms=4.0, p99_ms=None, max_ms=9.0,
    late_ms_max=0.1, loop_lag_ms_max=0.0, cpu_share=0.01,
)  # fmt: skip


def test_each_interval_is_there_at_once(tmp_path: Path) -> None:
    timeline = TimelineFile(LocalStore(tmp_path))
    for count in (1, 2):
        timeline.add(INTERVAL)
        lines = (tmp_path / TIMELINE_NAME).read_text().splitlines()
        assert [json.loads(line) for line in lines] == [INTERVAL._asdict() | {"at_s": 1.0}] * count
    timeline.close()


def test_a_full_disk_is_advice(tmp_path: Path) -> None:
    (tmp_path / TIMELINE_NAME).symlink_to("/dev/full")
    timeline = TimelineFile(LocalStore(tmp_path))
    with pytest.raises(OutputError, match="No space left"):
        timeline.add(INTERVAL)
    with pytest.raises(OutputError):  # it cannot be brought to the disk, either
        timeline.close()
