"""What a load test's files must hold for a report: names, types and bounds, as they are read."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, get_type_hints

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from pydantic import AfterValidator, Field, create_model, model_validator

from worker.loadtest.measure import Interval
from worker.runtime.histogram import decoded
from worker.runtime.records import Count, Moment, Number, Part, Share, read_part

_UNDECODABLE = (
    ValueError, TypeError, RuntimeError, IndexError, zlib.error,
    HdrCookieException, HdrHistogramSettingsException, HdrLengthException,
)  # fmt: skip


def read_result(values: Any) -> RunningTest:
    """Return the content of `_loadtest.json`: of the type that its `state` calls for.

    Raises ValueError, which says what is wrong, and what was seen.
    """
    state = values.get("state") if isinstance(values, Mapping) else None
    return read_part(_WITHOUT_VERDICT.get(str(state), EndedTest), values)


def read_interval(values: Any) -> Interval:
    """Return a line of the timeline; raise ValueError, which says what is wrong in it."""
    line = read_part(_Line, values)
    return Interval(**{name: getattr(line, name) for name in Interval._fields})


def _histogram(text: str) -> str:
    try:
        decoded(text)
    except _UNDECODABLE:
        raise ValueError("is no histogram in HdrHistogram's V2 format") from None
    return text


_Histogram = Annotated[str, AfterValidator(_histogram)]
_Errors = dict[str, Count]
_Two = Annotated[Sequence[Number | None], Field(min_length=2, max_length=2)]
_Shares = Annotated[Sequence[Share], Field(min_length=2, max_length=2)]


class _Target(Part):
    operation: str
    arn: str


class _Asked(Part):
    seconds: Number


class SearchLimits(Part):
    """When a rate is held."""

    p99_ms_max: Number | None
    throttle_share_max: Share
    error_share_max: Share


class _Settings(Part):
    stages: list[_Asked]
    search: SearchLimits | None


class RunningTest(Part):
    """A load test that has no verdict yet, or none any more."""

    state: Literal["running", "aborted", "finished", "stopped"]
    started_at: Moment
    target: _Target
    loadtest: _Settings
    config: dict[str, Any]


class AbortedTest(RunningTest):
    """A test that an error has ended."""

    error: str


_WITHOUT_VERDICT: Final[dict[str, type[RunningTest]]] = {
    "running": RunningTest,
    "aborted": AbortedTest,
}


class _Quantiles(Part):
    p50: Number | None
    p99: Number | None


class _Latencies(Part):
    from_due: _Quantiles
    from_sent: _Quantiles

    @model_validator(mode="after")
    def _is_of_the_same_calls(self) -> Self:
        parts = (self.from_due, self.from_sent)
        if len({value is None for part in parts for value in (part.p50, part.p99)}) > 1:
            raise ValueError("some of p50 and p99 are null, and others are not")
        return self


class _Histograms(Part):
    from_due: _Histogram
    from_sent: _Histogram


class Figures(Part):
    """What was measured; see worker.loadtest.result.Figures."""

    seconds: Number
    calls: Count
    tps: Number | None
    throttles: Count
    throttle_share: Share
    errors: _Errors
    error_share: Share
    off_schedule_share: Share
    latency_ms: _Latencies
    hdr_us: _Histograms


class StageFigures(Figures):
    """A stage, what was asked for in it, and what was measured."""

    name: str
    from_tps: Number
    to_tps: Number
    phase: str | None = None
    held: bool | None = None


class _Verdict(Part):
    outcome: Literal["passed", "failed", "invalid", "stopped"]
    reasons: list[str]


class _Threshold(Part):
    text: str
    metric: str
    value: Number | None
    holds: bool


class _Confidence(Part):
    samples: Count
    seconds: Number
    p99_ms: _Two
    throttle_share: _Shares
    error_share: _Shares


class Searched(Part):
    """What a search has found; see worker.loadtest.result.SearchResult."""

    held_tps: Number | None
    at_once_tps: Number | None
    failed_tps: Number | None
    confidence: _Confidence | None
    min_provisioned_tps_recommended: Count | None
    month_usd_estimate: Number | None


class EndedTest(RunningTest):
    """A test with a verdict."""

    verdict: _Verdict
    thresholds: list[_Threshold]
    search: Searched | None
    cost_usd_estimate: Number | None
    total: Figures
    stages: list[StageFigures]

    @model_validator(mode="after")
    def _is_one_test(self) -> Self:
        if self.search and not self.loadtest.search:
            raise ValueError("search: found something, but loadtest.search asked for nothing")
        if self.search and self.search.held_tps is None and self.verdict.outcome == "passed":
            raise ValueError("search.held_tps: nothing was held, but verdict.outcome is passed")
        return self


_BOUNDED: Final[dict[Any, Any]] = {
    float: Number,
    int: Count,
    float | None: Number | None,
    dict[str, int]: _Errors,
}
_FIELDS: dict[str, Any] = {
    name: (_BOUNDED[kind], ...) for name, kind in get_type_hints(Interval).items()
}
_Line = create_model("_Line", __base__=Part, **_FIELDS)
