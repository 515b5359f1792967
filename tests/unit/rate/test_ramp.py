"""When attempts are due: no window holds more than the rate and the credit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lanes import constant
from unit.rate.pacing import take

from worker.rate.ramp import CREDIT_S, RAMP_S_MIN, Ramp, Schedule

rates = st.floats(min_value=0.5, max_value=5_000)


@st.composite
def histories(draw: st.DrawFn) -> tuple[float, list[float]]:
    """A rate, and the moments at which callers come: any mix of eagerness and stalls."""
    tps = draw(rates)
    gaps = draw(st.lists(st.sampled_from([0.0, 0.0, 0.5, 1.0, 3.0, 50.0]), min_size=1, max_size=80))
    moments, now_s = [], 0.0
    for gap in gaps:
        now_s += gap / tps
        moments.append(now_s)
    return tps, moments


def leaving_times(ramp: Ramp, moments: list[float]) -> list[float]:
    """Return when each caller may leave: at its due time, or at once when that has passed."""
    schedule = Schedule(ramp, start_s=0.0)
    return [max(now_s, take(schedule, now_s)) for now_s in moments]


@given(histories())
def test_no_window_ever_holds_more_than_the_rate_and_the_credit(
    history: tuple[float, list[float]],
) -> None:
    tps, moments = history
    left = sorted(leaving_times(constant(tps), moments))
    for first, start_s in enumerate(left):
        for last in range(first, len(left)):
            window_s = left[last] - start_s
            assert last - first + 1 <= tps * (window_s + CREDIT_S) + 1 + 1e-6


def test_the_first_second_holds_no_burst() -> None:
    left = leaving_times(constant(100.0), [0.0] * 300)
    assert sum(time_s < 1.0 for time_s in left) == 100
    assert sum(time_s < 0.1 for time_s in left) == 10


def test_a_stall_does_not_become_a_burst() -> None:
    """A second of silence at 1,000/s earns 8 ms of schedule, not 1,000 calls."""
    schedule = Schedule(constant(1_000.0), start_s=0.0)
    take(schedule, 0.0)
    at_once = 0
    while take(schedule, 1.0) <= 1.0:
        at_once += 1
    assert at_once == round(1_000 * CREDIT_S) + 1


@given(
    tps=rates,
    start_share=st.floats(min_value=0.01, max_value=1.0),
    ramp_s=st.just(0.0) | st.floats(min_value=RAMP_S_MIN, max_value=600),
    attempts=st.floats(min_value=0, max_value=1e6),
)
def test_due_times_invert_the_integral_of_the_rate(
    tps: float, start_share: float, ramp_s: float, attempts: float
) -> None:
    ramp = Ramp(tps=tps, start_tps=start_share * tps, ramp_s=ramp_s)
    assert ramp.attempts_at(ramp.due_at(attempts)) == pytest.approx(attempts, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("second", "attempts"),
    [(-1, 0.0), (0, 0.0), (1, 10.5), (5, 62.5), (10, 150.0), (20, 350.0), (30, 550.0)],
)
def test_a_ramp_climbs_linearly_and_then_holds_the_rate(second: float, attempts: float) -> None:
    """From 10/s to 20/s in ten seconds: 150 attempts, then 20 a second."""
    ramp = Ramp(tps=20.0, start_tps=10.0, ramp_s=10.0)
    assert ramp.attempts_at(second) == pytest.approx(attempts)


@pytest.mark.parametrize(
    ("tps", "ramp_from", "start"), [(100.0, None, 10.0), (100.0, 40.0, 40.0), (5.0, 40.0, 5.0)]
)
def test_a_ramp_starts_where_it_is_told_and_never_above_the_rate(
    tps: float, ramp_from: float | None, start: float
) -> None:
    assert Ramp.climbing(tps=tps, ramp_s=60.0, ramp_from=ramp_from).start_tps == start
