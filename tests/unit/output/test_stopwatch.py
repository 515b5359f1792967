"""The stopwatch: running time since the last commit, over kills, none of it counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.places import spool_at

from worker.output.stopwatch import Stopwatch


class Time:
    """Stands still until it is set."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_a_kill_costs_the_time_since_the_last_reading_that_was_kept(tmp_path: Path) -> None:
    time = Time()
    watch = Stopwatch(spool_at(tmp_path / "seconds"), parts_done=3, now_s=time)
    time.now_s += 20
    watch.keep()
    time.now_s += 1.5  # lost
    after = Stopwatch(spool_at(tmp_path / "seconds"), parts_done=3, now_s=time)
    time.now_s += 5
    assert after.read() == 25


def test_what_a_committed_part_counts_is_never_counted_again(tmp_path: Path) -> None:
    time = Time()
    watch = Stopwatch(spool_at(tmp_path / "seconds"), parts_done=3, now_s=time)
    time.now_s += 20
    seconds = watch.read()
    time.now_s += 2  # of committing
    watch.keep()
    killed_before_the_commit = Stopwatch(spool_at(tmp_path / "seconds"), parts_done=3, now_s=time)
    assert killed_before_the_commit.read() == 22
    killed_after_the_commit = Stopwatch(spool_at(tmp_path / "seconds"), parts_done=4, now_s=time)
    assert killed_after_the_commit.read() == 0
    watch.next_part(seconds)
    assert watch.read() == 2
    watch.keep()
    assert Stopwatch(spool_at(tmp_path / "seconds"), parts_done=4, now_s=time).read() == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"parts_done": 3}', '{"seconds": 9}'])
def test_a_reading_that_is_damaged_counts_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "seconds").write_text(text)
    assert Stopwatch(spool_at(tmp_path / "seconds"), parts_done=3, now_s=Time()).read() == 0
