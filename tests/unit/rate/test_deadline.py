"""Pace to fit: which rate a deadline asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lanes import constant

from worker.rate.deadline import TPS_MIN, fit
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
