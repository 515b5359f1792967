"""What ends a load test before its schedule does: a stop, a refusal of all calls, a bug."""

from __future__ import annotations

import asyncio
import time

import pytest
from unit.loadtest.generating import OK, answer, constant, generator

from worker.errors import RefusedError
from worker.loadtest._schedule import Leg, Schedule
from worker.model import Answer, Failure

pytestmark = pytest.mark.simulated_time


async def test_failures_are_kinds_and_a_refusal_of_all_calls_ends_the_test() -> None:
    async def throttled(_: bytes) -> Failure:
        return Failure("ThrottlingException", "slow down", 400)

    async with generator(throttled) as made:
        await made.run(constant(100, 0.05), stage=0)
        assert {each.kind for each in made.attempts} == {1}

    async def denied(_: bytes) -> Failure:
        return Failure("AccessDeniedException", "no", 403)

    async with generator(denied) as made:
        with pytest.raises(RefusedError, match="AccessDeniedException"):
            await made.run(constant(100, 5), stage=0)


EXPIRED = Failure("ExpiredTokenException", "expired", 403)


@pytest.mark.parametrize("left", [EXPIRED, Failure("TimedOut", "no answer"), None])
async def test_expired_credentials_are_looked_up_anew_and_without_others_the_test_ends(
    left: Failure | None,
) -> None:
    async def expired(_: bytes) -> Failure:
        return EXPIRED

    asked = []

    async def renew(failure: Failure, *, since_s: float) -> Failure | None:
        asked.append((failure, since_s <= time.monotonic()))
        return left

    async with generator(expired) as made:
        made._transport.renew = renew  # type: ignore[method-assign] # as a transport that can
        if left is EXPIRED:
            with pytest.raises(RefusedError, match="ExpiredTokenException") as caught:
                await made.run(constant(100, 5), stage=0)
            assert "log in again" in caught.value.hint
        else:
            await made.run(constant(100, 0.05), stage=0)
            assert len(made.attempts) == 5
    assert set(asked) == {(EXPIRED, True)}


async def test_an_end_waits_for_no_credentials() -> None:
    async def expired(_: bytes) -> Failure:
        return EXPIRED

    async with generator(expired) as made:

        async def renew(failure: Failure, *, since_s: float) -> Failure | None:
            del since_s
            asyncio.get_running_loop().call_soon(made.stop)
            await asyncio.Event().wait()  # for ever
            return failure

        made._transport.renew = renew  # type: ignore[method-assign] # as a transport that can
        assert await made.run(constant(100, 5), stage=0) < 1.0


SKEWED = Failure("RequestTimeTooSkewed", "late", 403)


@pytest.mark.parametrize("every", [0, 1, 5])
async def test_a_time_that_is_called_wrong_ends_the_test_where_none_is_served(every: int) -> None:
    calls = 0

    async def skewed(_: bytes) -> Answer | Failure:
        nonlocal calls
        calls += 1
        return OK if every and (calls - 1) % every == 0 else SKEWED

    async with generator(skewed) as made:
        if every:
            await made.run(constant(100, 0.2), stage=0)
        else:
            with pytest.raises(RefusedError, match="RequestTimeTooSkewed") as caught:
                await made.run(constant(100, 5), stage=0)
            assert "clock" in caught.value.hint


async def test_a_bug_in_a_call_ends_the_test() -> None:
    async def broken(_: bytes) -> Answer:
        raise ZeroDivisionError

    async with generator(broken) as made:
        with pytest.raises(ZeroDivisionError):
            await made.run(constant(100, 5), stage=0)


async def test_a_bug_where_a_timer_calls_ends_the_test() -> None:
    class OddError(Exception):
        pass

    class Odd(Schedule):
        def due_s(self, number: int) -> float:
            if number == 3:
                raise OddError
            return super().due_s(number)

    async with generator(answer) as made:
        with pytest.raises(OddError):
            await made.run(Odd([Leg(100, 100, 1.0)]), stage=0)
        assert made.sent == 3
