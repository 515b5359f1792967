"""The content of `_loadtest.json`, from what was measured. Pure.

README.md beside this file documents it; `format` counts incompatible changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from worker.loadtest.verdict import JudgedThreshold, LoadOutcome, Verdict
from worker.runtime.records import INLINE, OPTIONAL
from worker.telemetry.cost import cost_usd

FORMAT: Final = 1
_HOURS_PER_MONTH: Final = 730


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTarget:
    """What is called."""

    operation: str  # the API's name for it
    arn: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What a stage of a search was for."""

    phase: str
    held: bool | None  # None: it was not judged


@dataclass(frozen=True, slots=True, kw_only=True)
class StageAsked:
    """What was asked for in a stage: from one rate to another in a line, in calls per second."""

    name: str
    searched: Searched | None = field(default=None, metadata=INLINE)  # None: no search
    from_tps: float
    to_tps: float
    planned_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured in a stage, or in the whole test. Shares are of the calls, 0 to 1."""

    seconds: float
    calls: int  # that were made
    tps: float | None  # calls per second; None: no time has passed
    successes: int
    success_tps: float | None
    throttles: int
    throttle_share: float
    errors: Mapping[str, int]  # by code, the most frequent first
    error_share: float
    late: int  # calls that left more than 20 ms late
    waited: int  # for which no lane was free
    missed: int  # that were due while this process stood still
    crowded: int  # given up for want of a lane
    off_schedule_share: float  # late, missed or given up, of those that were due
    cpu_share: float  # of a core
    latency_ms: Mapping[str, Mapping[str, float | None]]  # by LATENCIES, then by QUANTILES
    hdr_us: Mapping[str, str]  # by LATENCIES: histograms in HdrHistogram's V2 format


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage: what was asked for, and what was measured."""

    asked: StageAsked = field(metadata=INLINE)
    figures: Figures = field(metadata=INLINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confidence:
    """95 % intervals of what a rate was judged by."""

    samples: int  # calls
    seconds: float
    p99_ms: tuple[float | None, float | None]
    throttle_share: tuple[float, float]
    error_share: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search has found, in calls per second, and what it means for minProvisionedTPS."""

    held_tps: float | None  # None: no rate was held
    at_once_tps: float | None  # before the service had scaled out
    failed_tps: float | None  # the lowest rate that was not held
    has_scaled: bool
    confidence: Confidence | None
    min_provisioned_tps_recommended: int | None
    month_usd_estimate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """What a test came to that has a verdict."""

    verdict: Verdict
    thresholds: tuple[JudgedThreshold, ...]
    search: SearchResult | None
    cost_usd_estimate: float | None
    total: Figures
    stages: tuple[Stage, ...]
    files: Mapping[str, str]  # the names of the other files, by what they hold


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """A load test so far: the content of `_loadtest.json`."""

    format: int
    version: str
    state: str  # running, finished, stopped or aborted
    started_at: str  # UTC
    target: LoadTarget
    loadtest: Mapping[str, Any] | None  # the section of the config, defaults filled in
    config: Mapping[str, Any]  # all of it
    ended_at: str | None = field(default=None, metadata=OPTIONAL)
    error: str | None = field(default=None, metadata=OPTIONAL)  # what ended it without a verdict
    conclusion: Conclusion | None = field(default=None, metadata=INLINE)


def beginning(config: Config, *, started_at: str) -> LoadResult:
    """Return what is known of a test before its first call."""
    settings = config.loadtest
    return LoadResult(
        format=FORMAT,
        version=__version__,
        state="running",
        started_at=started_at,
        target=LoadTarget(
            operation=config.target.operation.value,
            arn=config.target.arn,
            region=config.target.region_name,
        ),
        loadtest=settings.model_dump(mode="json") if settings else None,
        config=config.model_dump(mode="json", exclude_none=True),
    )


def aborted(began: LoadResult, reason: str, *, ended_at: str) -> LoadResult:
    """Return the result of a test that ended without a verdict."""
    return replace(began, state="aborted", ended_at=ended_at, error=reason)


def measured(measures: Measures) -> Figures:
    """Return the figures of a stage, or of the whole test."""
    latencies = {name: getattr(measures, name) for name in LATENCIES}
    share = 1 / max(1, measures.calls)
    return Figures(
        seconds=round(measures.seconds, 3),
        calls=measures.calls,
        tps=_rate(measures.calls, measures.seconds),
        successes=measures.successes,
        success_tps=_rate(measures.successes, measures.seconds),
        throttles=measures.throttles,
        throttle_share=measures.throttles * share,
        errors=dict(measures.errors.most_common()),
        error_share=measures.errors.total() * share,
        late=measures.late,
        waited=measures.waited,
        missed=measures.missed,
        crowded=measures.crowded,
        off_schedule_share=measures.off_schedule_share,
        cpu_share=round(measures.cpu_share, 4),
        latency_ms={
            name: {at: each.quantile_ms(quantile) for at, quantile in QUANTILES.items()}
            for name, each in latencies.items()
        },
        hdr_us={name: each.encoded() for name, each in latencies.items()},
    )


def concluded(
    *,
    stages: Sequence[StageAsked],
    measures: Sequence[Measures],
    judgement: Judgement,
    per_1000_usd: float | None,
    files: Mapping[str, str],
) -> Conclusion:
    """Return what a test came to. `stages` say of each of `measures` what was asked for."""
    whole = together(measures)
    return Conclusion(
        verdict=judgement.verdict,
        thresholds=judgement.thresholds,
        search=judgement.search,
        cost_usd_estimate=cost_usd(whole.calls, per_1000_usd),
        total=measured(whole),
        stages=tuple(
            Stage(asked=stage, figures=measured(each))
            for stage, each in zip(stages, measures, strict=True)
        ),
        files=files,
    )


def ended(began: LoadResult, conclusion: Conclusion, *, ended_at: str) -> LoadResult:
    """Return the whole result of a test that has a verdict."""
    is_stopped = conclusion.verdict.outcome is LoadOutcome.STOPPED
    state = "stopped" if is_stopped else "finished"
    return replace(began, state=state, ended_at=ended_at, conclusion=conclusion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is concluded from the measures of all stages."""

    verdict: Verdict
    thresholds: tuple[JudgedThreshold, ...]
    search: SearchResult | None


def search_result(
    found: Found,
    confirmation: Measures | None,
    *,
    per_1000_usd: float | None,
) -> SearchResult:
    """Return what a search found, how sure that is, and what it means for minProvisionedTPS."""
    recommended = math.ceil(found.held_tps) if found.held_tps else None
    return SearchResult(
        held_tps=found.held_tps,
        at_once_tps=found.at_once_tps,
        failed_tps=found.failed_tps,
        has_scaled=found.has_scaled,
        confidence=None if confirmation is None else confidence(confirmation),
        min_provisioned_tps_recommended=recommended,
        month_usd_estimate=None
        if recommended is None
        else cost_usd(recommended * 3600 * _HOURS_PER_MONTH, per_1000_usd),
    )


def confidence(measures: Measures) -> Confidence:
    """Return 95 % intervals of what a rate was judged by.

    A quantile's is that of its rank (binomial, normal approximation).
    """
    calls, throttles, errors = measures.calls, measures.throttles, measures.errors.total()
    spread = 1.96 * math.sqrt(0.99 * 0.01 / max(1, measures.successes))
    low, high = (measures.from_due.quantile_ms(min(1.0, 0.99 + s)) for s in (-spread, spread))
    return Confidence(
        samples=calls,
        seconds=round(measures.seconds, 3),
        p99_ms=(low, high),
        throttle_share=wilson(throttles, calls),
        error_share=wilson(errors, calls),
    )


def _rate(count: int, seconds: float) -> float | None:
    return round(count / seconds, 3) if seconds else None
