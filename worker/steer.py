"""A run's rate from its config: the pacer, who sets it, and the deadline that it is fitted to."""

import time
from collections.abc import Callable
from datetime import datetime

import anyio

from worker import log
from worker.adapt import AdaptiveRate
from worker.ceilings import remember_tps, remembered_tps
from worker.clock import Clock
from worker.config import Rate
from worker.deadline import deadline_at
from worker.fit import RESERVE_SHARE, Fit, fit
from worker.govern import Governor
from worker.pace import Pacer, Ramp
from worker.tally import Tally

REPLAN_INTERVAL_S = 5.0
SLOW_START_SHARE = 0.25  # of tps: costs 0.1 % of a minute; a tenth, twice that
_NOTABLE_SHARE = 0.1  # by which a new plan differs from what was said last


def ceiling(rate: Rate, *, tps: float) -> Ramp:
    """Return the rate that is never exceeded; `tps` is that of the config, or its default."""
    return Ramp.climbing(tps=tps, ramp_s=rate.ramp_s, ramp_from=rate.ramp_from)


def steered(
    rate: Rate, ramp: Ramp, tally: Tally, clock: Clock, *, ceiling_key: str
) -> tuple[Pacer, Governor]:
    """Return the pacer of a run that begins now, and its governor."""
    adaptive = None
    if rate.adaptive:
        known_tps = remembered_tps(ceiling_key)
        if known_tps is not None and known_tps < ramp.tps:
            log.info("capacity as found by an earlier run", tps=known_tps)
        # A ramp is a slow start, and what is provisioned needs none.
        is_slow_start = rate.tps is not None and not ramp.ramp_s
        slow_tps = max(SLOW_START_SHARE * ramp.tps, min(ramp.tps, 1.0))
        adaptive = AdaptiveRate(
            tps_max=ramp.tps,
            start_tps=slow_tps if is_slow_start else ramp.tps,
            known_tps=known_tps,
            now_s=clock.now_s(),
        )
    pacer = Pacer(ramp, clock)
    return pacer, Governor(pacer, tally, tps_max=ramp.tps, adaptive=adaptive)


def keep_ceiling(governor: Governor, ceiling_key: str) -> None:
    """Remember for the next run what throttles have shown, if they did."""
    if governor.found_tps is not None:
        remember_tps(ceiling_key, governor.found_tps)


class DeadlineFit:
    """Plans how fast to go for a deadline, and again every few seconds."""

    def __init__(
        self,
        governor: Governor,
        tally: Tally,
        ramp: Ramp,
        *,
        deadline: str,
        now: Callable[[], datetime] = lambda: datetime.now().astimezone(),
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._governor = governor
        self._tally = tally
        self._ramp = ramp
        self._deadline = deadline_at(deadline, start=now())
        self._now = now
        self._now_s = now_s
        self._begun_s = now_s()
        self._reserve_s = RESERVE_SHARE * self._left_s
        self._said: Fit | None = None

    @property
    def _left_s(self) -> float:
        """The wall clock counts: it may be set while a run goes on."""
        return (self._deadline - self._now()).total_seconds()

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
            elapsed_s=self._now_s() - self._begun_s,
            left_s=self._left_s,
            reserve_s=self._reserve_s,
        )
        # What is possible by now may be more soon: only the ceiling is held against the rate.
        self._governor.fit(self._ramp.tps if fitted.tps >= possible_tps else fitted.tps)
        self._say(fitted, possible_tps)

    def _say(self, fitted: Fit, possible_tps: float) -> None:
        said = self._said
        if fitted.calls_missing and not (said and said.calls_missing):
            log.warning(
                "the deadline will come before the end",
                tps_needed=fitted.tps_needed,
                tps_possible=possible_tps,
                rows_missing=fitted.calls_missing,
                next="goes as fast as it may; the first rows are done first",
            )
        elif (
            said is None
            or said.calls_missing > fitted.calls_missing == 0
            or abs(fitted.tps - said.tps) > _NOTABLE_SHARE * said.tps
        ):
            log.info("paced to fit the deadline", tps=fitted.tps, of_tps=possible_tps)
        else:
            return
        self._said = fitted
