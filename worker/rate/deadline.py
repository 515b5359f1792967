"""Pace to fit: the lowest steady rate that finishes before the deadline, planned time and again."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from worker.rate.governor import Governor
from worker.rate.ramp import Ramp
from worker.runtime import log
from worker.runtime.clock import Clock, local_time
from worker.runtime.deadline import deadline_at
from worker.telemetry.tally import Tally

RESERVE_SHARE = 0.05  # of the time to the deadline, as it was when the run began
TPS_MIN = 1.0  # slower saves nothing: this much is provisioned at the least
_HALVINGS = 40
REPLAN_INTERVAL_S = 5.0
_NOTABLE_SHARE = 0.1  # by which a new plan differs from the one logged last


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What a deadline asks for."""

    tps: float  # to go at: the lowest that finishes with the reserve, at most the ceiling
    tps_needed: float  # on average, without any reserve
    calls_missing: int  # by the deadline, at the ceiling; 0: it can be met


def fit(calls: int, ramp: Ramp, *, elapsed_s: float, left_s: float, reserve_s: float) -> Fit:
    """Return the rate for `calls` in the `left_s` seconds to the deadline.

    `ramp` is the ceiling, begun `elapsed_s` ago. Whoever is late may use half of what is left of
    the reserve, and half of that again.
    """
    left_s = max(left_s, 1e-3)
    within_s = max(left_s - reserve_s, left_s / 2)
    lower, upper = 0.0, ramp.tps
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        if _attempts(ramp.below(middle), elapsed_s, within_s) < calls:
            lower = middle
        else:
            upper = middle
    possible = _attempts(ramp, elapsed_s, left_s)
    return Fit(
        tps=min(ramp.tps, max(TPS_MIN, upper)),
        tps_needed=calls / left_s,
        calls_missing=max(0, calls - int(possible + 1e-6)),
    )


def _attempts(ramp: Ramp, begin_s: float, seconds: float) -> float:
    return ramp.attempts_at(begin_s + seconds) - ramp.attempts_at(begin_s)


class DeadlineFit:
    """Plans how fast to go for a deadline, and again every few seconds."""

    def __init__(
        self,
        governor: Governor,
        tally: Tally,
        ramp: Ramp,
        *,
        deadline: str,
        clock: Clock,
    ) -> None:
        self._governor = governor
        self._tally = tally
        self._ramp = ramp
        self._deadline = deadline_at(deadline, start=local_time(clock))
        self._clock = clock
        self._begun_s = clock.now_s()
        self._reserve_s = RESERVE_SHARE * self._left_s
        self._logged: Fit | None = None

    @property
    def _left_s(self) -> float:
        """The wall clock counts: it may be set while a run goes on."""
        return (self._deadline - local_time(self._clock)).total_seconds()

    async def run(self) -> None:
        """Plan again and again; `plan` is called before the first attempt."""
        while True:
            await anyio.sleep(REPLAN_INTERVAL_S)
            self.plan()

    def plan(self) -> None:
        """Set the lowest rate that does what is left, retries included, in time."""
        tally, possible_tps = self._tally, self._governor.possible_tps
        first_attempts = max(1, tally.calls - tally.retries)
        calls = tally.rows_to_call * (1 + tally.retries / first_attempts)
        fitted = fit(
            round(calls),
            self._ramp.below(possible_tps),
            elapsed_s=self._clock.now_s() - self._begun_s,
            left_s=self._left_s,
            reserve_s=self._reserve_s,
        )
        # What is possible by now may be more soon: only the ceiling is held against the rate.
        self._governor.fit(self._ramp.tps if fitted.tps >= possible_tps else fitted.tps)
        self._log(fitted, possible_tps)

    def _log(self, fitted: Fit, possible_tps: float) -> None:
        logged = self._logged
        if fitted.calls_missing and not (logged and logged.calls_missing):
            log.warning(
                "the deadline will come before the end",
                tps_needed=fitted.tps_needed,
                tps_possible=possible_tps,
                rows_missing=fitted.calls_missing,
                next="goes as fast as it may; the first rows are done first",
            )
        elif (
            logged is None
            or logged.calls_missing > fitted.calls_missing == 0
            or abs(fitted.tps - logged.tps) > _NOTABLE_SHARE * logged.tps
        ):
            log.info("paced to fit the deadline", tps=fitted.tps, of_tps=possible_tps)
        else:
            return
        self._logged = fitted
