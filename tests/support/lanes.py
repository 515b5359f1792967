"""Lanes as tests need them, and a run of lanes in simulated time."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
from support.clock import LoopClock, simulate

from worker.aws.access import Access
from worker.aws.login import Login
from worker.call.admission import Admission
from worker.call.backoff import RetryPolicy
from worker.call.breaker import Breaker
from worker.call.lane import Lane, PutOff
from worker.call.outage import OutageGate
from worker.errors import StoppedError
from worker.model import Answer, Failure, Outcome
from worker.rate._adaptive import AdaptiveRate
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.rate.ramp import Ramp
from worker.runtime.clock import Clock, MonotonicClock
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import RunListener
from worker.telemetry.progress import LineView
from worker.telemetry.run_log import RunLog
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Transport, Turn

ANSWER = Answer(body=b"{}", request_id=None)


def make_lane(
    transport: Transport,
    *,
    switch: StopSwitch,
    tally: Tally,
    clock: Clock | None = None,
    pacer: Pacer | None = None,
    tps: float = 1e6,
    attempts_max: int = 1,
    calls_max: int | None = None,
    budget_share: float = 0.0,
    outage_s: float = 120.0,
    rng: random.Random | None = None,
    governor: Governor | None = None,
    listener: RunListener | None = None,
) -> Lane:
    """Return a lane of the real parts; by default it calls once, as fast as it can."""
    clock, listener = clock or MonotonicClock(), listener or RunLog()
    pacer = pacer or Pacer(constant(tps), clock)
    return Lane(
        transport=transport,
        admission=Admission(
            pacer=pacer,
            gate=OutageGate(Breaker(outage_s, attempts_max=attempts_max), clock, switch, listener),
            governor=governor or unadapted(pacer, tally, clock, tps=tps),
            login=AlwaysGood(),
            switch=switch,
            tally=tally,
            listener=listener,
            calls_max=calls_max,
        ),
        retry=RetryPolicy(
            attempts_max=attempts_max, budget_share=budget_share, rng=rng or random.Random(1)
        ),
        switch=switch,
        tally=tally,
    )


class AlwaysGood(Login):
    """A login whose credentials never expire."""

    def __init__(self) -> None:
        super().__init__(Access(region="us-east-1"), MonotonicClock())

    @property
    def is_good(self) -> bool:
        return True


def unadapted(pacer: Pacer, tally: Tally, clock: Clock, *, tps: float) -> Governor:
    """Return a governor that holds the pacer's rate."""
    return Governor(pacer, tally, tps_max=tps, adaptive=None, clock=clock)


async def stop_lane(switch: StopSwitch, lane: Lane) -> None:
    """Stop a lane when the switch is thrown, as the pipeline does."""
    await switch.thrown()
    lane.stop()


class _Leaving:
    """A request that needs nothing to leave but its turn."""

    def __init__(self) -> None:
        self.left: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def go(self, _: float) -> bool:
        if self.left.done():  # cancelled
            return False
        self.left.set_result(True)
        return True

    def send_back(self) -> None:
        self.left.set_result(False)


async def leave(turn: Turn) -> bool:
    """Return True when a request leaves that has all it needs; False when it is sent back."""
    leaving = _Leaving()
    turn.ask(leaving)
    return await leaving.left


def constant(tps: float) -> Ramp:
    """Return a rate without a ramp."""
    return Ramp(tps=tps, start_tps=tps, ramp_s=0.0)


# What the service says to an attempt of a row at a second: an answer, or why there is none.
Behaviour = Callable[[int, float], Answer | Failure]


@dataclass
class Run:
    """A run of lanes against a service that is a function of time."""

    behaviour: Behaviour
    rows: int
    tps: float = 100.0
    lanes: int = 64
    latency_s: float = 0.05
    attempts_max: int = 6
    budget_share: float = 0.2
    outage_s: float = 120.0
    seed: int = 1
    is_adaptive: bool = False
    is_watched: bool = False  # progress is logged
    listener: RunListener = field(default_factory=RunLog)

    sent: list[tuple[float, int]] = field(default_factory=list)  # when each attempt left, its row
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    ended_s: float = 0.0
    reason: str | None = None

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        assert turn is not None
        if not await leave(turn):
            return SENT_BACK
        now_s, row = asyncio.get_running_loop().time(), int(body)
        self.sent.append((now_s, row))
        await anyio.sleep(self.latency_s)  # of the simulated clock
        return self.behaviour(row, now_s)

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        return failure

    async def main(self) -> None:
        clock, switch = LoopClock(), StopSwitch()
        tally = Tally(rows_expected=self.rows)
        pacer = Pacer(constant(self.tps), clock)
        adaptive = AdaptiveRate(tps_max=self.tps, start_tps=self.tps, now_s=clock.now_s())
        governor = Governor(
            pacer,
            tally,
            tps_max=self.tps,
            adaptive=adaptive if self.is_adaptive else None,
            clock=clock,
        )
        lane = make_lane(
            self,
            switch=switch,
            tally=tally,
            clock=clock,
            pacer=pacer,
            attempts_max=self.attempts_max,
            budget_share=self.budget_share,
            outage_s=self.outage_s,
            rng=random.Random(self.seed),
            governor=governor,
            listener=self.listener,
        )
        left = deque[tuple[int, PutOff | None]]((row, None) for row in range(self.rows))
        put_off = deque[tuple[int, PutOff | None]]()

        async def work() -> None:
            while (left or put_off) and not switch.reason:
                if lane.wants_others:
                    row, before = left.pop() if left else put_off.popleft()
                else:
                    row, before = (put_off or left).popleft()
                outcome = await lane.settle(b"%d" % row, before)
                if isinstance(outcome, PutOff):
                    put_off.append((row, outcome))
                    continue
                self.outcomes[row] = outcome
                tally.count_row(outcome)

        async def work_until_stopped() -> None:
            with suppress(StoppedError):
                await work()

        async with anyio.create_task_group() as watching:
            watching.start_soon(stop_lane, switch, lane)
            if self.is_watched:
                watching.start_soon(LineView(per_1000_usd=None, now_s=clock.now_s).run, tally)
            async with anyio.create_task_group() as group:
                for _ in range(self.lanes):
                    group.start_soon(work_until_stopped)
            watching.cancel_scope.cancel()
        self.ended_s, self.reason = clock.now_s(), switch.reason

    def go(self) -> Run:
        """Run to the end."""
        simulate(self.main)
        return self

    @property
    def failed(self) -> list[int]:
        """The rows that have failed."""
        return [row for row, each in self.outcomes.items() if isinstance(each.result, Failure)]

    def sent_between(self, start_s: float, end_s: float) -> int:
        """Return how many attempts left in that time."""
        return sum(start_s <= at_s < end_s for at_s, _ in self.sent)
