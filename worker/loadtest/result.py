"""The content of `_loadtest.json`, from what was measured. Pure.

README.md beside this file documents it; `format` counts incompatible changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from worker import __version__
from worker.config.model import Config
from worker.loadtest.measure import (
    LATENCIES,
    QUANTILES,
    Measures,
    together,
    wilson,
)
from worker.loadtest.search import Found
from worker.telemetry.cost import cost_usd

FORMAT: Final = 1
_HOURS_PER_MONTH: Final = 730


def beginning(config: Config, *, started_at: str) -> dict[str, Any]:
    """Return what is known of a test before its first call."""
    settings = config.loadtest
    return {
        "format": FORMAT,
        "version": __version__,
        "state": "running",
        "started_at": started_at,
        "target": {
            "operation": config.target.operation.value,
            "arn": config.target.arn,
            "region": config.target.region_name,
        },
        "loadtest": settings.model_dump(mode="json") if settings else None,
        "config": config.model_dump(mode="json", exclude_none=True),
    }


def aborted(began: dict[str, Any], reason: str, *, ended_at: str) -> dict[str, Any]:
    """Return the result of a test that ended without a verdict."""
    return {**began, "state": "aborted", "ended_at": ended_at, "error": reason}


def measured(measures: Measures) -> dict[str, Any]:
    """Return the figures of a stage, or of the whole test.

    Latencies are in ms; `hdr_us` holds the histograms in HdrHistogram's V2 format.
    """
    latencies = {name: getattr(measures, name) for name in LATENCIES}
    share = 1 / max(1, measures.calls)
    return {
        "seconds": round(measures.seconds, 3),
        "calls": measures.calls,
        "tps": _rate(measures.calls, measures.seconds),
        "successes": measures.successes,
        "success_tps": _rate(measures.successes, measures.seconds),
        "throttles": measures.throttles,
        "throttle_share": measures.throttles * share,
        "errors": dict(measures.errors.most_common()),
        "error_share": measures.errors.total() * share,
        "late": measures.late,
        "waited": measures.waited,
        "missed": measures.missed,
        "crowded": measures.crowded,
        "off_schedule_share": measures.off_schedule_share,
        "cpu_share": round(measures.cpu_share, 4),
        "latency_ms": {
            name: {at: each.quantile_ms(quantile) for at, quantile in QUANTILES.items()}
            for name, each in latencies.items()
        },
        "hdr_us": {name: each.encoded() for name, each in latencies.items()},
    }


def ended(
    began: dict[str, Any],
    *,
    ended_at: str,
    stages: Sequence[dict[str, Any]],
    measures: Sequence[Measures],
    thresholds: Sequence[dict[str, Any]],
    verdict: dict[str, Any],
    search: dict[str, Any] | None,
    per_1000_usd: float | None,
    files: dict[str, str],
) -> dict[str, Any]:
    """Return the whole result. `stages` say of each of `measures` what was asked for."""
    whole = together(measures)
    return {
        **began,
        "state": "stopped" if verdict["outcome"] == "stopped" else "finished",
        "ended_at": ended_at,
        "verdict": verdict,
        "thresholds": list(thresholds),
        "search": search,
        "cost_usd_estimate": cost_usd(whole.calls, per_1000_usd),
        "total": measured(whole),
        "stages": [
            {**stage, **measured(each)} for stage, each in zip(stages, measures, strict=True)
        ],
        "files": files,
    }


def search_result(
    found: Found,
    confirmation: Measures | None,
    *,
    per_1000_usd: float | None,
) -> dict[str, Any]:
    """Return what a search found, how sure that is, and what it means for minProvisionedTPS."""
    recommended = math.ceil(found.held_tps) if found.held_tps else None
    return {
        "held_tps": found.held_tps,
        "at_once_tps": found.at_once_tps,
        "failed_tps": found.failed_tps,
        "has_scaled": found.has_scaled,
        "confidence": None if confirmation is None else confidence(confirmation),
        "min_provisioned_tps_recommended": recommended,
        "month_usd_estimate": None
        if recommended is None
        else cost_usd(recommended * 3600 * _HOURS_PER_MONTH, per_1000_usd),
    }


def confidence(measures: Measures) -> dict[str, Any]:
    """Return 95 % intervals of what a rate was judged by.

    A quantile's is that of its rank (binomial, normal approximation).
    """
    calls, throttles, errors = measures.calls, measures.throttles, measures.errors.total()
    spread = 1.96 * math.sqrt(0.99 * 0.01 / max(1, measures.successes))
    return {
        "samples": calls,
        "seconds": round(measures.seconds, 3),
        "p99_ms": [measures.from_due.quantile_ms(min(1.0, 0.99 + s)) for s in (-spread, spread)],
        "throttle_share": list(wilson(throttles, calls)),
        "error_share": list(wilson(errors, calls)),
    }


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 3) if seconds else None
