"""When the calls of a load test are due."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.config.loadtest import Stage
from worker.loadtest._schedule import Leg, Schedule, legs_of


def schedule(*stages: tuple[float, float] | tuple[float, float, bool]) -> Schedule:
    """Return the schedule of stages given as (tps, seconds, ramp)."""
    made = [Stage(tps=each[0], seconds=each[1], ramp=len(each) == 3) for each in stages]
    return Schedule(list(legs_of(made)))


def due(of: Schedule) -> list[float]:
    return [of.due_s(number) for number in range(of.calls)]


@pytest.mark.parametrize(
    ("stages", "moments"),
    [
        ([(4, 1)], [0, 0.25, 0.5, 0.75]),
        ([(2, 1), (4, 0.5)], [0, 0.5, 1, 1.25]),
        ([(0, 3), (1, 2)], [3, 4]),  # a pause first
        ([(1, 1), (0, 3), (1, 1)], [0, 4]),  # and between
        ([(1, 0.5), (1, 0.5), (2, 0.5), (2, 0.5)], [0, 1, 1.5]),  # halves of a call add up
        ([(8, 1, True)], [0, 0.5, math.sqrt(0.5), math.sqrt(0.75)]),  # 4 t²
        ([(2, 1), (0, 2, True)], [0, 0.5, 1, 1 + (2 - math.sqrt(2))]),  # 2 t - t²/2
    ],
)
def test_calls_are_due_where_the_integral_of_the_rate_is_whole(
    stages: list[tuple[float, float]], moments: list[float]
) -> None:
    assert due(schedule(*stages)) == pytest.approx(moments)


def test_what_floats_lose_makes_no_call() -> None:
    assert 0.07 * 100 > 7
    assert schedule((0.07, 100)).calls == 7


def test_a_ramp_begins_where_the_stage_before_ended() -> None:
    stages = [Stage(tps=100, seconds=5, ramp=False), Stage(tps=300, seconds=10, ramp=True)]
    assert list(legs_of(stages)) == [Leg(100, 100, 5), Leg(100, 300, 10)]
    made = Schedule(list(legs_of(stages)))
    assert (made.leg_at(4.99), made.leg_at(5), made.leg_at(99)) == (0, 1, 1)


STAGES = st.lists(
    st.builds(
        Stage,
        tps=st.one_of(st.just(0.0), st.floats(0.01, 5000)),
        seconds=st.floats(0.001, 5),
        ramp=st.booleans(),
    ),
    min_size=1,
    max_size=8,
)


@given(STAGES)
def test_no_call_is_lost_or_gained_between_stages(stages: list[Stage]) -> None:
    made = Schedule(list(legs_of(stages)))
    integral = math.fsum(leg.calls for leg in legs_of(stages))
    assert made.calls == pytest.approx(integral, abs=1)
    assert made.calls_at(made.seconds) == pytest.approx(integral)
    numbers = range(0, made.calls, max(1, made.calls // 50))
    moments = [made.due_s(number) for number in numbers]
    assert all(0 <= moment <= made.seconds for moment in moments)
    assert all(one <= other for one, other in pairwise(moments))
    for number, moment in zip(numbers, moments, strict=True):
        # Where the rate begins or ends at 0 a moment is known less well than a count.
        assert made.calls_at(moment) == pytest.approx(number, abs=1e-3, rel=1e-6)


@given(STAGES, st.floats(0, 40))
def test_as_many_calls_are_due_by_any_moment_as_the_integral_says(
    stages: list[Stage], moment: float
) -> None:
    made = Schedule(list(legs_of(stages)))
    moment = min(moment, made.seconds)
    integral = made.calls_at(moment)
    before, after = math.floor(integral - 0.01), math.ceil(integral + 0.01)
    if 0 <= before < made.calls:
        assert made.due_s(before) <= moment + 1e-9
    if after < made.calls:
        assert made.due_s(after) >= moment - 1e-9
