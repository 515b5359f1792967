"""What ends a run early."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from support.clock import FakeClock, LoopClock

from worker.config.model import Config
from worker.errors import StoppedError
from worker.runtime.stop import StopSwitch, watch_deadline
from worker.telemetry.cost import calls_max


async def test_the_switch_ends_waits_and_keeps_its_first_reason() -> None:
    switch = StopSwitch()
    async with anyio.create_task_group() as group:

        async def wait() -> None:
            with pytest.raises(StoppedError, match="first"):
                await switch.wait(anyio.sleep_forever())

        group.start_soon(wait)
        group.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        switch.throw("first")
        switch.throw("second")
    assert "first" in switch.error().what
    with pytest.raises(StoppedError, match="first"):
        await switch.wait(anyio.sleep_forever())
    await switch.thrown()


async def test_a_wait_returns_what_it_waited_for_unless_the_switch_is_thrown() -> None:
    switch = StopSwitch()

    async def seven(*, is_stopping: bool) -> int:
        await anyio.lowlevel.checkpoint()
        if is_stopping:
            switch.throw("in the last moment")
        return 7

    assert await switch.wait(seven(is_stopping=False)) == 7
    switch.check()
    with pytest.raises(StoppedError, match="in the last moment"):
        await switch.wait(seven(is_stopping=True))
    with pytest.raises(StoppedError, match="in the last moment"):
        switch.check()


async def test_a_wait_that_is_cancelled_from_outside_is_cancelled_and_no_stop() -> None:
    switch = StopSwitch()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await switch.wait(anyio.sleep_forever())
    assert scope.cancelled_caught
    switch.throw("later")


@pytest.mark.simulated_time
async def test_the_deadline_throws_the_switch_when_it_has_come() -> None:
    clock, switch = LoopClock(), StopSwitch()
    began_s = clock.now_s()
    await watch_deadline("2h", switch, clock)
    assert clock.now_s() - began_s == pytest.approx(7_200.0)
    assert switch.reason == "the deadline 2h has come"


async def test_without_a_deadline_nothing_is_thrown() -> None:
    switch = StopSwitch()
    await watch_deadline(None, switch, FakeClock())
    assert switch.reason is None


@pytest.mark.parametrize(
    ("stop", "price", "calls"),
    [
        ({}, {}, None),
        ({"calls_max": 500}, {}, 500),
        ({"cost_usd_max": 1.0}, {"per_1000_usd": 0.05}, 20_000),
        ({"cost_usd_max": 1.0, "calls_max": 500}, {"per_1000_usd": 0.05}, 500),
    ],
)
def test_the_stricter_cap_counts(
    stop: dict[str, float], price: dict[str, float], calls: int | None
) -> None:
    config = Config.model_validate(
        {
            "target": {
                "operation": "GetRecommendations",
                "campaign_arn": "arn:aws:personalize:us-east-1:1:campaign/c",
            },
            "input": {"path": "in", "columns": {"user_id": "U"}},
            "output": {"path": "out"},
            "stop": stop,
            "price": price,
        }
    )
    assert calls_max(config) == calls
