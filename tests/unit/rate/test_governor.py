"""Who sets the pacer's rate: throttles, the deadline, and what is said about it."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from support.clock import FakeClock
from support.lanes import constant

from worker.config.model import Rate
from worker.personalize.error_codes import Verdict
from worker.rate._adaptive import AdaptiveRate
from worker.rate.deadline import DeadlineFit
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.rate.remembered import remember_tps, remembered_tps
from worker.rate.setup import ceiling, keep_ceiling, steered
from worker.telemetry.tally import Tally


class RecordingPacer(Pacer):
    """Notes which rates it is given."""

    def __init__(self, tps: float) -> None:
        super().__init__(constant(tps), FakeClock())
        self.limits: list[float] = []

    def limit(self, tps: float) -> None:
        self.limits.append(tps)


class Bench:
    """A governor, and a service that answers its attempts in no time."""

    def __init__(self, *, tps: float = 100.0, known_tps: float | None = None) -> None:
        self.now_s = 0.0
        self.tally = Tally(rows_expected=1000)
        self.pacer = RecordingPacer(tps)
        self.adaptive = AdaptiveRate(tps_max=tps, start_tps=tps, known_tps=known_tps, now_s=0.0)
        self.governor = Governor(
            self.pacer,
            self.tally,
            tps_max=tps,
            adaptive=self.adaptive,
            now_s=lambda: self.now_s,
        )

    def send(self, attempts: int, *, throttled_share: float, per_s: float = 100.0) -> None:
        for number in range(attempts):
            self.now_s += 1 / per_s
            self.governor.note_sent(self.now_s)
            if (number * throttled_share) % 1 + throttled_share >= 1:
                self.governor.note_failure(Verdict.THROTTLED, self.now_s, self.now_s)
            else:
                self.governor.note_answer(self.now_s, self.now_s)


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
        bench.governor.note_sent(number / 50)
        bench.governor.note_failure(Verdict.REJECTED, number / 50, number / 50)
    assert bench.pacer.limits[-1] > 50  # as after answers


def test_failures_in_passing_are_not_throttles() -> None:
    bench = Bench()
    for number in range(1, 400):
        bench.governor.note_sent(number / 100)
        if number % 2:
            bench.governor.note_failure(Verdict.TRANSIENT, number / 100, number / 100)
        else:
            bench.governor.note_answer(number / 100, number / 100)
    assert set(bench.pacer.limits) == {100.0}


def test_the_lower_of_what_throttles_and_the_deadline_leave_holds() -> None:
    bench = Bench(known_tps=50.0)
    bench.governor.fit(30.0)
    bench.governor.fit(70.0)
    assert bench.pacer.limits == [49.0, 30.0, 49.0]


def test_without_adaptation_throttles_change_nothing() -> None:
    pacer, tally = RecordingPacer(100.0), Tally(rows_expected=1)
    governor = Governor(pacer, tally, tps_max=100.0, adaptive=None)
    for number in range(100):
        governor.note_sent(number / 100)
        governor.note_failure(Verdict.THROTTLED, number / 100, number / 100)
        governor.note_answer(number / 100, number / 100)
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
    ramp = ceiling(config, tps=config.tps or 200.0)
    steered(config, ramp, tally, FakeClock(), ceiling_key="key")
    assert (tally.target_tps or ramp.tps) == pytest.approx(begins_at)


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


class Night:
    """A run with a deadline in 1,000 s, and a wall clock that can be set."""

    def __init__(self, *, rows: int) -> None:
        self.bench = Bench()
        self.bench.tally.rows_expected = rows
        self.begun = datetime(2026, 11, 22, 3, tzinfo=UTC)
        self.fit = DeadlineFit(
            self.bench.governor,
            self.bench.tally,
            constant(100.0),
            deadline="1000s",
            now=lambda: self.begun + timedelta(seconds=self.bench.now_s),
            now_s=lambda: self.bench.now_s,
        )

    def plan_at(self, now_s: float, *, rows_done: int, retries: int = 0) -> float:
        self.bench.now_s, tally = now_s, self.bench.tally
        tally.results, tally.retries, tally.calls = rows_done, retries, rows_done + retries
        self.fit.plan()
        return self.bench.pacer.limits[-1]


def test_the_rate_is_planned_anew_from_what_is_left() -> None:
    night = Night(rows=19_000)
    assert night.plan_at(0, rows_done=0) == pytest.approx(20)
    assert night.plan_at(475, rows_done=9_500) == pytest.approx(20)
    assert night.plan_at(475, rows_done=4_750) == pytest.approx(30)
    assert night.plan_at(475, rows_done=4_750, retries=950) == pytest.approx(36)


def test_rows_that_turn_out_not_to_be_there_lower_the_rate() -> None:
    night = Night(rows=19_000)
    night.plan_at(0, rows_done=0)
    night.bench.tally.rows_expected = 9_500
    assert night.plan_at(0, rows_done=0) == pytest.approx(10)


def test_rows_that_need_no_call_are_not_paced_for() -> None:
    night = Night(rows=19_000)
    night.bench.tally.needless = 9_500
    assert night.plan_at(0, rows_done=0) == pytest.approx(10)
    assert night.plan_at(475, rows_done=4_750) == pytest.approx(10)


def test_a_deadline_that_turns_out_to_be_met_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    night = Night(rows=101_000)
    with caplog.at_level(logging.INFO, logger="worker"):
        night.plan_at(0, rows_done=0)
        night.bench.tally.needless = 7_500
        assert night.plan_at(0, rows_done=0) == pytest.approx(98.4, rel=1e-3)
        night.plan_at(5, rows_done=492)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_deadline_out_of_reach_is_said_at_once_and_gone_for_at_the_ceiling(
    caplog: pytest.LogCaptureFixture,
) -> None:
    night = Night(rows=150_000)
    with caplog.at_level(logging.INFO, logger="worker"):
        assert night.plan_at(0, rows_done=0) == 100
        assert night.plan_at(5, rows_done=500) == 100
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.__dict__["fields"]["rows_missing"] == 50_000
    assert record.__dict__["fields"]["tps_needed"] == 150.0
    assert record.__dict__["fields"]["tps_possible"] == 100.0


def test_a_plan_is_said_again_when_it_changes_notably(caplog: pytest.LogCaptureFixture) -> None:
    night = Night(rows=19_000)
    with caplog.at_level(logging.INFO, logger="worker"):
        night.plan_at(0, rows_done=0)
        night.plan_at(10, rows_done=190)
        assert len(caplog.records) == 1
        night.plan_at(475, rows_done=4_750)
    assert [record.message for record in caplog.records] == ["paced to fit the deadline"] * 2
