"""A lane with all that it touches, and a transport that answers from a list."""

from __future__ import annotations

import random
from collections.abc import Callable

import anyio
import pytest
from support.lanes import leave, make_lane

from worker.errors import StoppedError
from worker.model import Answer, Failure, Outcome
from worker.rate.pacer import Pacer, Waiting
from worker.rate.ramp import Ramp
from worker.runtime.clock import MonotonicClock
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Turn


class NoJitter(random.Random):
    """Full jitter that always draws the shortest wait."""

    def uniform(self, a: float, b: float) -> float:
        del b
        return a


class ScriptedTransport:
    """Answers from a list; the last answer repeats."""

    def __init__(self, *results: Answer | Failure) -> None:
        self._results = list(results)
        self.calls = self.renewals = 0
        self.renewable = {1}  # which of the renewals find other credentials
        self.on_call: Callable[[], None] = lambda: None

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        del body
        assert turn is not None
        if not await leave(turn):
            return SENT_BACK
        self.calls += 1
        self.on_call()
        await anyio.lowlevel.checkpoint()
        return self._results.pop(0) if len(self._results) > 1 else self._results[0]

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        self.renewals += 1
        return None if self.renewals in self.renewable else failure


class Bench:
    """A lane and all that it touches."""

    def __init__(
        self,
        *results: Answer | Failure,
        attempts_max: int = 4,
        calls_max: int | None = None,
        budget_share: float = 0.2,
    ) -> None:
        self.transport = ScriptedTransport(*results)
        self.switch = StopSwitch()
        self.tally = Tally(rows_expected=100)
        self.pacer = CountingPacer()
        self.lane = make_lane(
            self.transport,
            switch=self.switch,
            tally=self.tally,
            clock=self.pacer.clock,
            pacer=self.pacer,
            attempts_max=attempts_max,
            calls_max=calls_max,
            budget_share=budget_share,
            rng=NoJitter(),
        )

    async def settle(self) -> Outcome:
        outcome = await self.lane.settle(b"{}")
        assert isinstance(outcome, Outcome)
        self.tally.count_row(outcome)
        return outcome

    async def settle_in_vain(self) -> None:
        """Have a row ended by a stop, without an outcome."""
        with pytest.raises(StoppedError):
            await self.lane.settle(b"{}")


class HastyClock(MonotonicClock):
    """A second later whenever it is asked, so that nobody waits to see if it is an outage."""

    def __init__(self) -> None:
        self._now_s = 0.0

    def now_s(self) -> float:
        self._now_s += 1.0
        return self._now_s


class CountingPacer(Pacer):
    """Lets everyone through and counts them."""

    def __init__(self) -> None:
        self.clock = HastyClock()
        super().__init__(Ramp(tps=1.0, start_tps=1.0, ramp_s=0.0), self.clock)
        self.turns = 0
        self.retry_turns = 0

    def come_near_now(self, one: Waiting) -> bool:
        del one
        return True

    async def come_near(self, one: Waiting) -> bool:
        del one
        return True

    def ask(self, one: Waiting) -> None:
        if one.go(self.clock.now_s()):
            self.turns += 1
            self.retry_turns += one.is_urgent
