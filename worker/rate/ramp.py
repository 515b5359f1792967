"""When the next HTTP attempt may leave: a schedule, not a bucket, so there is nothing to burst.

Attempt n is due when the integral of the rate reaches n. A caller that is late (the event loop's
timer, a stall) may catch up at most `CREDIT_S` of schedule; what it missed beyond is lost. So in
any window at most as many attempts leave as the integral of the rate over it, and one, and
`CREDIT_S` of the rate at its beginning: with a constant rate, `tps * (w + CREDIT_S) + 1` in w
seconds. The window is of the moments at which requests are written. Pure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# Without any credit timers that fire a millisecond late cost a third of 2,500/s. 8 ms regain it,
# and are 0.8 % of a second; what is left of 1 % is for requests that leave after their turn.
CREDIT_S = 0.008
RAMP_S_MIN = 0.001  # shorter ones are none; their slope would overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramp:
    """The rate over time: linear from `start_tps` to `tps` during `ramp_s`, then constant.

    Rates are above 0, `start_tps` at most `tps`; `ramp_s` is 0 or at least `RAMP_S_MIN`.
    """

    tps: float
    start_tps: float
    ramp_s: float
    climbed: float = field(init=False)  # attempts due during the ramp

    def __post_init__(self) -> None:
        """Work out what every attempt asks for."""
        object.__setattr__(self, "climbed", (self.start_tps + self.tps) / 2 * self.ramp_s)

    @classmethod
    def climbing(cls, *, tps: float, ramp_s: float, ramp_from: float | None) -> Ramp:
        """Return the ramp to `tps`; it starts at a tenth of it unless `ramp_from` is given."""
        return cls(
            tps=tps,
            start_tps=min(tps, ramp_from or tps / 10),
            ramp_s=ramp_s if ramp_s >= RAMP_S_MIN else 0.0,
        )

    def below(self, limit_tps: float) -> Ramp:
        """Return the same ramp, but nowhere above `limit_tps`: it ends where it reaches that."""
        if limit_tps >= self.tps:
            return self
        if limit_tps <= self.start_tps or not self.ramp_s:
            return Ramp(tps=limit_tps, start_tps=limit_tps, ramp_s=0.0)
        ramp_s = (limit_tps - self.start_tps) / self._slope
        if ramp_s < RAMP_S_MIN:
            return Ramp(tps=limit_tps, start_tps=limit_tps, ramp_s=0.0)
        return Ramp(tps=limit_tps, start_tps=self.start_tps, ramp_s=ramp_s)

    def rate_at(self, elapsed_s: float) -> float:
        """Return the rate at `elapsed_s`, not negative."""
        return self.tps if elapsed_s >= self.ramp_s else self.start_tps + self._slope * elapsed_s

    def attempts_at(self, elapsed_s: float) -> float:
        """Return how many attempts are due by `elapsed_s`: the integral of the rate."""
        if elapsed_s >= self.ramp_s:
            return self.climbed + self.tps * (elapsed_s - self.ramp_s)
        if elapsed_s <= 0.0:
            return 0.0
        return self.start_tps * elapsed_s + self._slope * elapsed_s**2 / 2

    def due_at(self, attempts: float) -> float:
        """Return the second at which `attempts` are due: the inverse of `attempts_at`."""
        if attempts >= self.climbed:
            return self.ramp_s + (attempts - self.climbed) / self.tps
        slope = self._slope
        if abs(slope) * self.ramp_s < 1e-9 * self.tps:
            return attempts / self.start_tps
        # The positive root of slope/2 t² + start t = attempts, in the form without cancellation.
        root = math.sqrt(max(0.0, self.start_tps**2 + 2 * slope * attempts))
        return 2 * attempts / (self.start_tps + root)

    @property
    def _slope(self) -> float:
        return (self.tps - self.start_tps) / self.ramp_s


class Schedule:
    """Knows when the next attempt is due. Pure: the caller brings the time.

    The rate is the ramp's or a limit, whatever is lower. The limit may change at any moment: what
    is due by then stays due, and the integral goes on at the new rate.
    """

    def __init__(self, ramp: Ramp, *, start_s: float) -> None:
        self._ramp = self._curve = ramp
        self._start_s = start_s
        self._attempts = 0.0
        self._before = 0.0  # due at the last change, beyond what `_curve` alone had made due
        self._lost_s = -math.inf  # when `_lose` was done last

    def due_s(self, now_s: float, *, before: int = 0) -> float:
        """Return when the next attempt is due, or the one with so many others before it.

        Never earlier than `CREDIT_S` before `now_s`.
        """
        self._lose(now_s)
        return self._start_s + self._curve.due_at(self._attempts + before - self._before)

    def take(self, now_s: float, attempts: int = 1) -> None:
        """Count attempts that were due: they have left, at `now_s` at the latest.

        If this is long after they were seen to be due, it is as if they had been due now.
        """
        self._lose(now_s)
        self._attempts += attempts

    def delay(self, now_s: float) -> None:
        """Note that what was taken last has left at `now_s` at the latest: as if taken then."""
        earliest = self._curve.attempts_at(now_s - CREDIT_S - self._start_s) + self._before
        self._attempts = max(self._attempts, earliest + 1)

    def _lose(self, now_s: float) -> None:
        """Let go of what was missed, beyond the credit; once for each moment."""
        if now_s != self._lost_s:
            self._lost_s = now_s
            earliest = self._curve.attempts_at(now_s - CREDIT_S - self._start_s) + self._before
            self._attempts = max(self._attempts, earliest)

    def limit(self, tps: float, *, now_s: float) -> None:
        """Keep the rate at or below `tps`, above 0, from `now_s` on."""
        self._lose(now_s)  # a higher rate must not bring back what was lost at a lower one
        due = self._curve.attempts_at(now_s - self._start_s) + self._before
        self._curve = self._ramp.below(tps)
        self._before = due - self._curve.attempts_at(now_s - self._start_s)
        self._lost_s = -math.inf

    def rate_at(self, now_s: float) -> float:
        """Return the rate at `now_s`."""
        return self._curve.rate_at(now_s - self._start_s)
