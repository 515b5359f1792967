"""What calls cost, and how many a run may make. Pure."""

from __future__ import annotations

from worker.config.model import Config


def calls_max(config: Config) -> int | None:
    """Return the stricter of the caps on calls and on cost; None without any."""
    stop, per_1000_usd = config.stop, config.price.per_1000_usd
    caps = [stop.calls_max] if stop.calls_max else []
    if stop.cost_usd_max and per_1000_usd:
        caps.append(int(stop.cost_usd_max / per_1000_usd * 1000))
    return min(caps, default=None)


def cost_usd(calls: int, per_1000_usd: float | None) -> float | None:
    """Return the estimated cost of `calls`; None without a price.

    Every HTTP attempt counts: whether throttled ones are billed is not documented.
    """
    return None if per_1000_usd is None else round(calls / 1000 * per_1000_usd, 6)
