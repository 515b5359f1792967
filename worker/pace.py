"""When the next HTTP attempt may leave: a schedule, not a bucket, so there is nothing to burst.

Attempt n is due when the integral of the rate reaches n. A caller that is late (the event loop's
timer, a stall) may catch up at most `CREDIT_S` of schedule; what it missed beyond is lost. So in
any window of w seconds at most `tps * (w + CREDIT_S) + 1` attempts leave.
"""

import math
from dataclasses import dataclass

import anyio

from worker.clock import Clock

# Without any credit timers that fire a millisecond late cost a third of 2,500/s; 20 ms regain it.
CREDIT_S = 0.02
RAMP_S_MIN = 0.001  # shorter ones are none; their slope would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The rate over time: linear from `start_tps` to `tps` during `ramp_s`, then constant.

    Rates are above 0; `ramp_s` is 0 or at least `RAMP_S_MIN`.
    """

    tps: float
    start_tps: float
    ramp_s: float

    @classmethod
    def climbing(cls, *, tps: float, ramp_s: float, ramp_from: float | None) -> "Ramp":
        """Return the ramp to `tps`; it starts at a tenth of it unless `ramp_from` is given."""
        return cls(
            tps=tps,
            start_tps=min(tps, ramp_from or tps / 10),
            ramp_s=ramp_s if ramp_s >= RAMP_S_MIN else 0.0,
        )

    def attempts_at(self, elapsed_s: float) -> float:
        """Return how many attempts are due by `elapsed_s`: the integral of the rate."""
        climbing_s = min(max(elapsed_s, 0.0), self.ramp_s)
        slope = self._slope
        climbed = self.start_tps * climbing_s + slope * climbing_s**2 / 2
        return climbed + self.tps * max(0.0, elapsed_s - self.ramp_s)

    def due_at(self, attempts: float) -> float:
        """Return the second at which `attempts` are due: the inverse of `attempts_at`."""
        climbed = (self.start_tps + self.tps) / 2 * self.ramp_s
        if attempts >= climbed:
            return self.ramp_s + (attempts - climbed) / self.tps
        slope = self._slope
        if abs(slope) * self.ramp_s < 1e-9 * self.tps:
            return attempts / self.start_tps
        # The positive root of slope/2 t² + start t = attempts, in the form without cancellation.
        root = math.sqrt(max(0.0, self.start_tps**2 + 2 * slope * attempts))
        return 2 * attempts / (self.start_tps + root)

    @property
    def _slope(self) -> float:
        return (self.tps - self.start_tps) / self.ramp_s if self.ramp_s else 0.0


class Schedule:
    """Hands out due times, one an attempt. Pure: the caller brings the time."""

    def __init__(self, ramp: Ramp, *, start_s: float) -> None:
        self._ramp = ramp
        self._start_s = start_s
        self._attempts = 0.0

    def take(self, now_s: float) -> float:
        """Return when the next attempt is due; never earlier than `CREDIT_S` before `now_s`."""
        earliest = self._ramp.attempts_at(now_s - CREDIT_S - self._start_s)
        attempts = max(self._attempts, earliest)
        self._attempts = attempts + 1
        return self._start_s + self._ramp.due_at(attempts)


class Pacer:
    """Makes each HTTP attempt of a run, retries included, wait for its turn.

    Turns are handed out one at a time, so none is promised far ahead. A retry goes before the
    first attempts that wait, all but one of them: at low rates it would else come minutes late.
    """

    def __init__(self, ramp: Ramp, clock: Clock) -> None:
        self._clock = clock
        self._schedule = Schedule(ramp, start_s=clock.now_s())
        self._first_attempts = anyio.Lock(fast_acquire=True)
        self._turns = anyio.Lock(fast_acquire=True)

    async def turn(self, *, is_retry: bool = False) -> None:
        """Return when the next attempt is due. A turn that is cancelled is lost, not reused."""
        if is_retry:
            await self._take()
        else:
            async with self._first_attempts:
                await self._take()

    async def _take(self) -> None:
        async with self._turns:
            now_s = self._clock.now_s()
            due_s = self._schedule.take(now_s)
            if due_s > now_s:
                await self._clock.sleep_until(due_s)
