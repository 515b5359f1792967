"""A run's pacer, and the governor that sets its rate, as a RateChoice says."""

from __future__ import annotations

from worker.rate._adaptive import AdaptiveRate
from worker.rate.choice import RateChoice
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.rate.remembered import remember_tps, remembered_tps
from worker.runtime import log
from worker.runtime.clock import Clock
from worker.telemetry.tally import Tally

SLOW_START_SHARE = 0.25  # of tps: costs 0.1 % of a minute; a tenth, twice that


def steered(
    choice: RateChoice, tally: Tally, clock: Clock, *, ceiling_key: str
) -> tuple[Pacer, Governor]:
    """Return the pacer of a run that begins now, and its governor."""
    adaptive, ramp = None, choice.ramp
    if choice.is_adaptive:
        known_tps = remembered_tps(ceiling_key)
        if known_tps is not None and known_tps < ramp.tps:
            log.info("capacity as found by an earlier run", tps=known_tps)
        slow_tps = max(SLOW_START_SHARE * ramp.tps, min(ramp.tps, 1.0))
        adaptive = AdaptiveRate(
            tps_max=ramp.tps,
            start_tps=slow_tps if choice.starts_slowly else ramp.tps,
            known_tps=known_tps,
            now_s=clock.now_s(),
        )
    pacer = Pacer(ramp, clock)
    return pacer, Governor(pacer, tally, tps_max=ramp.tps, adaptive=adaptive, clock=clock)


def keep_ceiling(governor: Governor, ceiling_key: str) -> None:
    """Remember for the next run what throttles have shown, if they did."""
    if governor.found_tps is not None:
        remember_tps(ceiling_key, governor.found_tps)
