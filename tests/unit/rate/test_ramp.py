"""The pacer, on a simulated clock."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.lanes import constant
from unit.rate.pacing import Callers, take

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


async def test_turns_are_a_constant_distance_apart() -> None:
    callers = Callers(tps=50.0)
    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(callers.take, str(number))
        await callers.clock.run()
    assert callers.names == [str(number) for number in range(10)]
    assert [time_s for _, time_s in callers.left] == pytest.approx(
        [number / 50.0 for number in range(10)]
    )


async def test_a_retry_goes_before_all_first_attempts_that_wait() -> None:
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        for name in ("first 0", "first 1", "first 2", "retry"):
            group.start_soon(callers.take, name)
        await callers.clock.run()
    assert callers.names == ["first 0", "retry", "first 1", "first 2"]


async def test_nobody_overtakes_those_who_wait() -> None:
    """A lane that comes just when a turn is due waits behind the one that waits for it."""
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        for name in ("0", "1"):
            group.start_soon(callers.take, name)
        await anyio.wait_all_tasks_blocked()
        callers.clock.time_s += 0.1
        group.start_soon(callers.take, "2")
        await callers.clock.run()
    assert callers.names == ["0", "1", "2"]


async def test_a_wait_that_is_cancelled_takes_no_turn() -> None:
    callers = Callers(tps=10.0)
    doomed = anyio.CancelScope()

    async def take_doomed() -> None:
        with doomed:
            await callers.take("doomed")

    async with anyio.create_task_group() as group:
        await callers.take("0")
        group.start_soon(take_doomed)
        await anyio.wait_all_tasks_blocked()
        group.start_soon(callers.take, "1")
        await anyio.wait_all_tasks_blocked()
        doomed.cancel()
        await callers.clock.run()
    assert callers.left == [("0", 0.0), ("1", pytest.approx(0.1))]


async def test_a_pacer_is_at_rest_when_nobody_waits() -> None:
    callers = Callers(tps=10.0)
    async with anyio.create_task_group() as group:
        group.start_soon(callers.take, "0")
        group.start_soon(callers.take, "1")
        await callers.clock.run()
    callers.clock.time_s += 60.0
    assert callers.pacer.take_if_due()
    assert not callers.pacer.take_if_due()


async def test_nobody_waits_any_more_when_the_run_is_to_stop() -> None:
    callers = Callers(tps=0.001)
    async with anyio.create_task_group() as group:
        for name in ("0", "1", "retry"):
            group.start_soon(callers.take, name)
        await anyio.wait_all_tasks_blocked()
        assert callers.names == ["0"]
        callers.pacer.end()
        await anyio.wait_all_tasks_blocked()
        assert sorted(callers.names) == ["0", "1", "retry"]
        assert not await callers.pacer.turn()
    assert callers.clock.now_s() == 100.0


async def test_who_is_sent_back_has_taken_no_turn() -> None:
    callers = Callers(tps=1.0)
    came = list[bool]()

    async def come() -> None:
        came.append(await callers.pacer.turn())

    assert callers.pacer.take_if_due()
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(come)
        await anyio.wait_all_tasks_blocked()
        callers.pacer.send_back()
        await anyio.wait_all_tasks_blocked()
        assert came == [False, False, False]
        group.start_soon(callers.take, "next")
        await callers.clock.run()
    assert callers.names == ["next"]
    assert callers.left[0][1] == pytest.approx(1.0)
