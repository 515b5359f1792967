"""How busy a thread is said to be."""

from __future__ import annotations

from worker.runtime.thread_load import Load


def test_load_is_the_share_of_the_time_since_it_was_asked_before() -> None:
    now, busy = iter([10.0, 12.0, 12.0, 16.0]), iter([1.0, 2.5, 2.5, 6.6])
    load = Load(lambda: next(now), lambda: next(busy))
    assert load.share() == 0.75
    assert load.share() == 1.0  # no time has passed
    assert load.share() == 1.0  # clocks of different grain
