"""What a load test's files must hold for a report: names, types and bounds, as they are read."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self, get_type_hints

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from pydantic import AfterValidator, Field, create_model, model_validator

from worker.loadtest.measure import Interval
from worker.report.checked import Count, Moment, Number, Part, Share, wrong_in
from worker.runtime.histogram import decoded

_UNDECODABLE = (
    ValueError, TypeError, RuntimeError, IndexError, zlib.error,
    HdrCookieException, HdrHistogramSettingsException, HdrLengthException,
)  # fmt: skip


def wrong_in_result(result: Any) -> str | None:
    """Return what is wrong in the content of `_loadtest.json`, and what was seen; None: nothing."""
    state = result.get("state") if isinstance(result, Mapping) else None
    return wrong_in(_WITHOUT_VERDICT.get(str(state), _Ended), result)


def wrong_in_interval(values: Any) -> str | None:
    """Return what is wrong in a line of the timeline, and what was seen; None: nothing."""
    return wrong_in(_Line, values)


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


class _Limits(Part):
    p99_ms_max: Number | None
    throttle_share_max: Share
    error_share_max: Share


class _Settings(Part):
    stages: list[_Asked]
    search: _Limits | None


class _Running(Part):
    state: Literal["running", "aborted", "finished", "stopped"]
    started_at: Moment
    target: _Target
    loadtest: _Settings
    config: dict[str, Any]


class _Aborted(_Running):
    error: str


_WITHOUT_VERDICT: Final[dict[str, type[Part]]] = {"running": _Running, "aborted": _Aborted}


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


class _Measures(Part):
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


class _Stage(_Measures):
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


class _Search(Part):
    held_tps: Number | None
    at_once_tps: Number | None
    failed_tps: Number | None
    confidence: _Confidence | None
    min_provisioned_tps_recommended: Count | None
    month_usd_estimate: Number | None


class _Ended(_Running):
    verdict: _Verdict
    thresholds: list[_Threshold]
    search: _Search | None
    cost_usd_estimate: Number | None
    total: _Measures
    stages: list[_Stage]

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
