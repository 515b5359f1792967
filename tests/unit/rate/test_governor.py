"""Who sets the pacer's rate, and what is said about it; where a run begins, and what it leaves."""

from __future__ import annotations

import logging

import pytest
from support.clock import FakeClock
from unit.rate.governing import Bench, RecordingPacer

from worker.config.model import Rate, Stop
from worker.personalize.error_codes import Verdict
from worker.rate.choice import choose_rate
from worker.rate.governor import Governor
from worker.rate.remembered import remember_tps, remembered_tps
from worker.rate.setup import keep_ceiling, steered
from worker.telemetry.tally import Tally


def test_without_throttles_nobody_is_slowed_down() -> None:
    bench = Bench()
    bench.send(300, throttled_share=0.0)
    assert set(bench.pacer.limits) == {100.0}
    assert bench.tally.target_tps is None
    assert bench.governor.found_tps is None


def test_throttles_lower_the_rate_and_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO, logger="worker"):
        bench.send(60, throttled_share=0.75)
    assert bench.pacer.limits[-1] < 50
    assert bench.tally.target_tps == bench.pacer.limits[-1]
    [line] = [record for record in caplog.records if record.message == "rate lowered"]
    assert line.__dict__["fields"]["tps"].startswith("100 -> 2")
    # As many as there were, whatever epoch they fell into.
    assert line.__dict__["fields"]["throttled"] >= 3
    assert line.__dict__["fields"]["failed"] == 0


def test_a_rate_that_goes_up_and_down_is_not_said_all_the_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    with caplog.at_level(logging.INFO, logger="worker"):
        bench.send(100, throttled_share=0.8)
        assert bench.pacer.limits[-1] < 50
        bench.send(100, throttled_share=0.8, per_s=25.0)
        assert bench.pacer.limits[-1] < 10
    assert [record.message for record in caplog.records] == ["rate lowered"]


def test_a_row_s_own_fault_counts_as_served() -> None:
    bench = Bench(known_tps=50.0)
    for number in range(1, 400):
        bench.governor.record_sent(number / 50)
        bench.governor.record_failure(Verdict.REJECTED, number / 50, number / 50)
    assert bench.pacer.limits[-1] > 50  # as after answers


def test_failures_in_passing_are_not_throttles() -> None:
    bench = Bench()
    for number in range(1, 400):
        bench.governor.record_sent(number / 100)
        if number % 2:
            bench.governor.record_failure(Verdict.TRANSIENT, number / 100, number / 100)
        else:
            bench.governor.record_answer(number / 100, number / 100)
    assert set(bench.pacer.limits) == {100.0}


def test_the_lower_of_what_throttles_and_the_deadline_leave_holds() -> None:
    bench = Bench(known_tps=50.0)
    bench.governor.fit(30.0)
    bench.governor.fit(70.0)
    assert bench.pacer.limits == [49.0, 30.0, 49.0]


def test_without_adaptation_throttles_change_nothing() -> None:
    pacer, tally = RecordingPacer(100.0), Tally(rows_expected=1)
    governor = Governor(pacer, tally, tps_max=100.0, adaptive=None, clock=FakeClock())
    for number in range(100):
        governor.record_sent(number / 100)
        governor.record_failure(Verdict.THROTTLED, number / 100, number / 100)
        governor.record_answer(number / 100, number / 100)
    assert (tally.target_tps, governor.possible_tps, governor.found_tps) == (None, 100.0, None)


@pytest.mark.parametrize(
    ("rate", "known_tps", "begins_at"),
    [
        ({"tps": 200.0}, None, 50.0),
        ({"tps": 5.0}, None, 1.25),
        ({"tps": 0.5}, None, 0.5),
        ({"tps": 200.0, "ramp_s": 60.0}, None, 200.0),
        ({"tps": None}, None, 200.0),
        ({"tps": 200.0}, 100.0, 98.0),
        ({"tps": 200.0}, 900.0, 200.0),
        ({"tps": 200.0, "adaptive": False}, 100.0, 200.0),
    ],
)
def test_where_a_run_begins(
    rate: dict[str, float], known_tps: float | None, begins_at: float
) -> None:
    """`rate.tps` is not given: 200/s are provisioned."""
    if known_tps is not None:
        remember_tps("key", known_tps)
    config = Rate.model_validate(rate)
    tally = Tally(rows_expected=1)
    choice = choose_rate(config, Stop.model_validate({}), provisioned_tps=200.0)
    steered(choice, tally, FakeClock(), ceiling_key="key")
    assert (tally.target_tps or choice.ramp.tps) == pytest.approx(begins_at)


def test_what_throttles_have_shown_is_kept_and_nothing_else() -> None:
    quiet, throttled = Bench(), Bench()
    quiet.send(200, throttled_share=0.0)
    throttled.send(60, throttled_share=0.75)
    keep_ceiling(quiet.governor, "quiet")
    keep_ceiling(throttled.governor, "throttled")
    assert remembered_tps("quiet") is None
    assert remembered_tps("throttled") == pytest.approx(25, rel=0.2)


def test_a_run_below_the_capacity_that_another_found_leaves_it_as_it_is() -> None:
    remember_tps("key", 400.0)
    slow = Bench(tps=50.0, known_tps=remembered_tps("key"))
    slow.send(100, throttled_share=0.0)
    assert slow.governor.found_tps is None
    assert slow.governor.possible_tps == 50.0
