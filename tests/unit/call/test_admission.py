"""Attempts wait for credentials before they take their turn, and leave at the rate after that."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import anyio
import pytest
from support.clock import LoopClock
from support.lanes import constant, unadapted

from worker.aws.access import Access
from worker.aws.login import Login
from worker.call.admission import Admission
from worker.call.attempt import Attempt
from worker.call.breaker import Breaker
from worker.call.outage import OutageGate
from worker.errors import RefusedError, StoppedError
from worker.model import Failure
from worker.personalize.error_codes import CONNECTION_LOST, Verdict
from worker.rate.pacer import Pacer
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally

pytestmark = pytest.mark.simulated_time
TPS = 50.0


class Expired(Login):
    """A login whose credentials have expired, until others come."""

    def __init__(self) -> None:
        super().__init__(Access(region="us-east-1"), LoopClock())
        self.others = asyncio.Event()
        self.refusal: RefusedError | None = None

    @property
    def is_good(self) -> bool:
        return self.others.is_set() and self.refusal is None

    async def wait(self) -> None:
        await self.others.wait()
        if self.refusal is not None:
            raise self.refusal


class Leaving:
    """A request with a connection, and when it left."""

    def __init__(self) -> None:
        self.left_s: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def go(self, now_s: float) -> bool:
        del now_s
        self.left_s.set_result(anyio.current_time())
        return True

    def send_back(self) -> None:
        raise AssertionError("there is a turn for it")


class Late(Leaving):
    """A request that leaves in a moment, after it was told to go; as `is_at_once`, at once."""

    def __init__(self, *, is_at_once: bool) -> None:
        super().__init__()
        self._is_at_once = is_at_once
        self.is_told = self.is_sent_back = False

    def go(self, now_s: float) -> bool:
        self.is_told = True
        return self._is_at_once and super().go(now_s)

    def send_back(self) -> None:
        self.is_sent_back = True


class Bench:
    """An admission, and attempts that ask it."""

    def __init__(self, *, calls_max: int | None = None) -> None:
        clock = LoopClock()
        self.login, self.switch = Expired(), StopSwitch()
        pacer, tally = Pacer(constant(TPS), clock), Tally(rows_expected=1_000)
        self.admission = Admission(
            pacer=pacer,
            gate=OutageGate(Breaker(120.0), clock, self.switch, RunListener()),
            governor=unadapted(pacer, tally, clock, tps=TPS),
            login=self.login,
            switch=self.switch,
            tally=tally,
            listener=RunListener(),
            calls_max=calls_max,
        )
        self.left_s: list[float] = []
        self.sent_back = 0

    async def ask(self) -> None:
        attempt = Attempt(self.admission.departures, b"{}")
        try:
            if not self.admission.take_now(attempt):
                await self.admission.take(attempt)
        except StoppedError:
            self.sent_back += 1
            return
        leaving = Leaving()
        attempt.ask(leaving)
        self.left_s.append(await leaving.left_s)
        self.admission.end(attempt)


async def test_those_who_waited_for_credentials_do_not_leave_at_once() -> None:
    bench = Bench()
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(bench.ask)
        await anyio.sleep(60.0)  # of the simulated clock, here and below
        assert not bench.left_s
        came_s = anyio.current_time()
        bench.login.others.set()
    assert len(bench.left_s) == 100
    assert min(bench.left_s) >= came_s
    spans_s = [after - before for before, after in pairwise(bench.left_s[1:])]
    assert sum(spans_s) >= 97 / TPS


async def test_those_whose_turn_comes_when_they_have_expired_wait_for_others() -> None:
    bench = Bench()
    bench.login.others.set()
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(bench.ask)
        await anyio.sleep(0.5)
        bench.login.others.clear()
        left = len(bench.left_s)
        assert 0 < left < 50
        await anyio.sleep(60.0)
        assert len(bench.left_s) <= left + 5  # those whose turn was near
        bench.login.others.set()
    assert len(bench.left_s) == 100


async def test_a_stop_waits_for_no_credentials() -> None:
    bench = Bench()
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(bench.ask)
        await anyio.sleep(1.0)
        bench.switch.throw("test")
    assert bench.sent_back == 100


async def test_credentials_that_cannot_be_had_refuse_the_run() -> None:
    bench = Bench()
    bench.login.refusal = RefusedError("none", hint="log in")
    bench.login.others.set()
    with pytest.raises(RefusedError):
        await bench.ask()


async def test_a_row_whose_connection_ended_before_its_turn_gets_another_turn() -> None:
    bench = Bench()
    bench.login.others.set()
    admission, slow, row = (
        bench.admission,
        Attempt(bench.admission.departures, b"{}"),
        Attempt(bench.admission.departures, b"{}"),
    )
    assert await admission.take(slow) is slow
    await anyio.sleep(0.8 / TPS)  # to connect: the next one comes near so long before its turn
    slow.ask(Leaving())
    await anyio.sleep(0.0)
    assert await admission.take(row) is row
    lost = Leaving()
    row.ask(lost)
    await anyio.sleep(0.0)
    admission.end(row)
    admission.note(row, Verdict.TRANSIENT, Failure(CONNECTION_LOST, "it ended"))
    assert await admission.take(row) is row
    leaving = Leaving()
    row.ask(leaving)
    with anyio.fail_after(1.0):
        await leaving.left_s
    assert not lost.left_s.done()


@pytest.mark.parametrize("is_at_once", [True, False])
async def test_at_the_cap_an_attempt_that_has_its_connection_does_not_leave(
    is_at_once: bool,
) -> None:
    bench = Bench(calls_max=1)
    bench.login.others.set()
    attempts = [Attempt(bench.admission.departures, b"{}") for _ in range(2)]
    asking = [Late(is_at_once=is_at_once) for _ in attempts]
    for attempt in attempts:
        assert await bench.admission.take(attempt) is attempt  # none has left by now
    for attempt, each in zip(attempts, asking, strict=True):
        attempt.ask(each)
    await anyio.sleep(1.0)
    left = [
        each.left_s.done() if is_at_once else each.is_told and attempt.take()
        for attempt, each in zip(attempts, asking, strict=True)
    ]
    assert left == [True, False]
    assert bench.switch.reason == "the cap of 1 calls is reached"
    assert [each.is_sent_back for each in asking] == [False, is_at_once]  # else it asks again


async def test_an_attempt_that_ends_before_its_turn_took_as_long_as_it_was_near() -> None:
    """To connect, in vain."""
    bench = Bench()
    bench.login.others.set()
    attempt = Attempt(bench.admission.departures, b"{}")
    assert await bench.admission.take(attempt) is attempt
    await anyio.sleep(0.3)
    bench.admission.end(attempt)
    assert attempt.took_s == pytest.approx(0.3)
