"""A run's rate from its config: the ceiling, the pacer, and who sets it."""

from __future__ import annotations

from worker.config.model import Rate
from worker.rate._adaptive import AdaptiveRate
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.rate.ramp import Ramp
from worker.rate.remembered import remember_tps, remembered_tps
from worker.runtime import log
from worker.runtime.clock import Clock
from worker.telemetry.tally import Tally

SLOW_START_SHARE = 0.25  # of tps: costs 0.1 % of a minute; a tenth, twice that


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
    return pacer, Governor(pacer, tally, tps_max=ramp.tps, adaptive=adaptive, now_s=clock.now_s)


def keep_ceiling(governor: Governor, ceiling_key: str) -> None:
    """Remember for the next run what throttles have shown, if they did."""
    if governor.found_tps is not None:
        remember_tps(ceiling_key, governor.found_tps)
