"""Pace to fit: which rate a deadline asks for, planned time and again."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lanes import constant
from unit.rate.governing import Bench

from worker.rate.deadline import TPS_MIN, DeadlineFit, fit
from worker.rate.ramp import Ramp

counts = st.integers(min_value=0, max_value=10_000_000)
seconds = st.floats(min_value=1, max_value=100_000)


@given(calls=counts, left_s=seconds, tps=st.floats(min_value=2, max_value=5_000))
def test_the_rate_is_the_lowest_that_finishes_with_the_reserve(
    calls: int, left_s: float, tps: float
) -> None:
    found = fit(calls, constant(tps), elapsed_s=0.0, left_s=left_s, reserve_s=0.05 * left_s)
    lowest = calls / (0.95 * left_s)
    assert found.tps == pytest.approx(min(tps, max(TPS_MIN, lowest)), rel=1e-6)
    assert found.tps_needed == pytest.approx(calls / left_s)


@pytest.mark.parametrize(("calls", "missing"), [(900, 0), (1000, 0), (1001, 1), (2500, 1500)])
def test_what_cannot_be_done_in_time_is_counted(calls: int, missing: int) -> None:
    found = fit(calls, constant(10.0), elapsed_s=7.0, left_s=100.0, reserve_s=5.0)
    assert found.calls_missing == missing
    assert (found.tps == 10.0) == (calls > 900)


def test_a_ramp_is_made_up_for_after_it() -> None:
    """10/s for a second that climbs to 100/s; 1,000 calls in 20 s take 51.4/s from then on."""
    ramp = Ramp(tps=100.0, start_tps=10.0, ramp_s=10.0)
    found = fit(1000, ramp, elapsed_s=0.0, left_s=20.0, reserve_s=0.0)
    assert ramp.below(found.tps).attempts_at(20.0) == pytest.approx(1000)
    assert 50 < found.tps < 100


def test_whoever_is_late_uses_the_reserve_by_halves() -> None:
    found = fit(20, constant(100.0), elapsed_s=0.0, left_s=4.0, reserve_s=5.0)
    assert found.tps == pytest.approx(10.0)


def test_after_the_deadline_the_ceiling_holds() -> None:
    found = fit(20, constant(100.0), elapsed_s=0.0, left_s=-1.0, reserve_s=5.0)
    assert (found.tps, found.calls_missing) == (100.0, 20)


class Night:
    """A run with a deadline in 1,000 s, and a wall clock that can be set."""

    def __init__(self, *, rows: int) -> None:
        self.bench = Bench()
        self.bench.tally.rows_expected = rows
        self.fit = DeadlineFit(
            self.bench.governor,
            self.bench.tally,
            constant(100.0),
            deadline="1000s",
            clock=self.bench.clock,
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
