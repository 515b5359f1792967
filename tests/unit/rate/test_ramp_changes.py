"""When attempts are due while the rate changes, and who is let go, on a simulated clock."""

from __future__ import annotations

import math
from itertools import accumulate

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lanes import constant
from unit.rate.pacing import Callers, take

from worker.rate.ramp import CREDIT_S, Ramp, Schedule

rates = st.floats(min_value=0.5, max_value=5_000)


@st.composite
def changing_histories(draw: st.DrawFn) -> tuple[Ramp, list[tuple[float, float | None]]]:
    """A ramp or none, and what happens when: a caller comes (None), or the limit is set."""
    top = draw(st.floats(min_value=10, max_value=2_000))
    share = draw(st.sampled_from([0.1, 0.5, 1.0]))
    ramp = Ramp(tps=top, start_tps=top * share, ramp_s=draw(st.sampled_from([0.0, 0.05, 0.5])))
    gaps = st.sampled_from([0.0, 0.0, 0.001, 0.004, 0.015, 0.2])
    limits = st.sampled_from([0.01, 0.1, 0.5, 0.9, 1.0, 2.0]).map(lambda share: share * top)
    events, now_s = [], 0.0
    for gap, limit in draw(st.lists(st.tuples(gaps, st.none() | limits), min_size=1, max_size=60)):
        now_s += gap
        events.append((now_s, limit))
    return ramp, events


@given(changing_histories())
def test_no_window_holds_more_than_the_integral_of_a_changing_rate_and_the_credit(
    history: tuple[Ramp, list[tuple[float, float | None]]],
) -> None:
    """Attempts in (t0, t1] <= rate's integral over it + CREDIT_S of the rate at t0 + 1.

    Where the rate changes at t0 the lower one counts: a raise brings no credit, a drop takes it.
    The integral is worked out here in small steps, from the ramp and the limits alone.
    """
    ramp, events = history
    schedule, limit, waiting = Schedule(ramp, start_s=0.0), math.inf, 0
    step_s, now_s, left = 1e-4, 0.0, []
    rates = []  # of each step
    end_s = events[-1][0] + 0.1
    for step in range(round(end_s / step_s)):
        now_s = step * step_s
        while events and events[0][0] <= now_s:
            if (tps := events.pop(0)[1]) is None:
                waiting += 1
            else:
                schedule.limit(tps, now_s=now_s)
                limit = tps
        rates.append(min(limit, ramp.rate_at(now_s)))
        while waiting and schedule.due_s(now_s) <= now_s:
            schedule.take(now_s)
            waiting -= 1
            left.append(step)
    integral = [0.0, *accumulate(rate * step_s for rate in rates)]
    for first, begin in enumerate(left):
        credit = CREDIT_S * min(rates[max(0, begin - 1) : begin + 1])
        for last in range(first, len(left)):
            allowed = integral[left[last] + 1] - integral[begin] + credit + 1
            assert last - first + 1 <= allowed + 0.01


@given(rates, rates)
def test_a_change_goes_on_where_the_integral_of_the_rate_was(before: float, after: float) -> None:
    """Half an attempt is due at the change; the other half comes at the new rate."""
    schedule = Schedule(constant(before), start_s=0.0)
    schedule.take(0.0)
    change_s = 0.5 / before
    schedule.limit(after, now_s=change_s)
    assert schedule.due_s(change_s) == pytest.approx(change_s + 0.5 / min(before, after))


def test_a_raise_releases_nothing_that_the_lower_rate_did_not_allow() -> None:
    """A second without calls at 1/s; then 1,000/s are allowed: credit is that of 1/s, less than 1.

    So one attempt leaves at once, and the others a millisecond apart.
    """
    schedule = Schedule(constant(1_000.0), start_s=0.0)
    schedule.limit(1.0, now_s=0.0)
    schedule.limit(1_000.0, now_s=5.0)
    assert sum(take(schedule, 5.0) <= 5.0 for _ in range(10)) == 1


def test_a_drop_takes_the_credit_away_at_once() -> None:
    schedule = Schedule(constant(1_000.0), start_s=0.0)
    schedule.limit(250.0, now_s=5.0)  # after seconds without a call: 8 attempts of credit
    assert sum(take(schedule, 5.0) <= 5.0 for _ in range(10)) == 3  # two of credit, and the next


@pytest.mark.parametrize("limit", [5.0, 10.0, 15.0, 30.0])
def test_a_ramp_below_a_limit_is_the_lower_of_both(limit: float) -> None:
    ramp = Ramp(tps=20.0, start_tps=10.0, ramp_s=10.0)
    below = ramp.below(limit)
    for second in (0.0, 1.0, 4.9, 5.1, 9.0, 10.0, 20.0):
        assert below.rate_at(second) == pytest.approx(min(limit, ramp.rate_at(second)))


@pytest.mark.parametrize(("limit", "seconds"), [(1.0, 1.0), (100.0, 0.1)])
async def test_a_new_rate_holds_for_those_who_wait_already(limit: float, seconds: float) -> None:
    """Two attempts at 10/s; right after the first, the rate is set for the one that waits."""
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        group.start_soon(callers.take, "first")
        group.start_soon(callers.take, "second")
        await anyio.wait_all_tasks_blocked()
        callers.pacer.limit(limit)
        await callers.clock.run()
    assert callers.names == ["first", "second"]
    assert callers.left[1][1] == pytest.approx(seconds)


async def test_a_raised_limit_wakes_those_who_wait_for_a_lower_one() -> None:
    callers = Callers(tps=10.0)
    callers.pacer.limit(0.1)
    async with anyio.create_task_group() as group:
        group.start_soon(callers.take, "first")
        group.start_soon(callers.take, "second")
        await anyio.wait_all_tasks_blocked()
        callers.pacer.limit(10.0)
        await callers.clock.run()
    assert callers.left[1][1] == pytest.approx(0.1)
