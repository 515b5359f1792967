"""What a load test's files must hold for a report: names, types and bounds, as they are read."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self, get_type_hints

from hdrh.codec import HdrCookieException, HdrHistogramSettingsException, HdrLengthException
from hdrh.histogram import HdrHistogram
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)

from worker.loadtest.measure import Interval

_UNDECODABLE = (
    ValueError, TypeError, RuntimeError, IndexError, zlib.error,
    HdrCookieException, HdrHistogramSettingsException, HdrLengthException,
)  # fmt: skip
_SEEN_CHARACTERS_MAX: Final = 60


def wrong_in_result(result: Any) -> str | None:
    """Return what is wrong in the content of `_loadtest.json`, and what was seen; None: nothing."""
    state = result.get("state") if isinstance(result, Mapping) else None
    return _wrong(_Running if state == "running" else _Ended, result)


def wrong_in_interval(values: Any) -> str | None:
    """Return what is wrong in a line of the timeline, and what was seen; None: nothing."""
    return _wrong(_Line, values)


def _wrong(model: type[BaseModel], values: Any) -> str | None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            return f"{where} is missing"
        seen = repr(first["input"])
        if len(seen) > _SEEN_CHARACTERS_MAX:
            seen = f"{seen[:_SEEN_CHARACTERS_MAX]}..."
        return f"{where or 'the whole'}: {what} (seen: {seen})"
    return None


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no time zone")
    return text


def _histogram(text: str) -> str:
    try:
        HdrHistogram.decode(text, b64_wrap=True)
    except _UNDECODABLE:
        raise ValueError("is no histogram in HdrHistogram's V2 format") from None
    return text


# Bounds that no test comes near, and whose sums still are numbers.
_Count = Annotated[int, Field(ge=0, le=1 << 53)]
_Number = Annotated[float, Field(ge=0, le=1e15)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Moment = Annotated[str, AfterValidator(_moment)]
_Histogram = Annotated[str, AfterValidator(_histogram)]
_Errors = dict[str, _Count]
_Two = Annotated[Sequence[_Number | None], Field(min_length=2, max_length=2)]
_Shares = Annotated[Sequence[_Share], Field(min_length=2, max_length=2)]


class _Target(_Part):
    operation: str
    arn: str


class _Asked(_Part):
    seconds: _Number


class _Limits(_Part):
    p99_ms_max: _Number | None
    throttle_share_max: _Share
    error_share_max: _Share


class _Settings(_Part):
    stages: list[_Asked]
    search: _Limits | None


class _Running(_Part):
    state: Literal["running", "finished", "stopped"]
    started_at: _Moment
    target: _Target
    loadtest: _Settings
    config: dict[str, Any]


class _Quantiles(_Part):
    p50: _Number | None
    p99: _Number | None


class _Latencies(_Part):
    from_due: _Quantiles
    from_sent: _Quantiles


class _Histograms(_Part):
    from_due: _Histogram
    from_sent: _Histogram


class _Measures(_Part):
    seconds: _Number
    calls: _Count
    tps: _Number | None
    throttles: _Count
    throttle_share: _Share
    errors: _Errors
    error_share: _Share
    off_schedule_share: _Share
    latency_ms: _Latencies
    hdr_us: _Histograms


class _Stage(_Measures):
    name: str
    from_tps: _Number
    to_tps: _Number
    phase: str | None = None
    held: bool | None = None


class _Verdict(_Part):
    outcome: Literal["passed", "failed", "invalid", "stopped"]
    reasons: list[str]


class _Threshold(_Part):
    text: str
    metric: str
    value: _Number | None
    holds: bool


class _Confidence(_Part):
    samples: _Count
    seconds: _Number
    p99_ms: _Two
    throttle_share: _Shares
    error_share: _Shares


class _Search(_Part):
    held_tps: _Number | None
    at_once_tps: _Number | None
    failed_tps: _Number | None
    confidence: _Confidence | None
    min_provisioned_tps_recommended: _Count | None
    month_usd_estimate: _Number | None


class _Ended(_Running):
    verdict: _Verdict
    thresholds: list[_Threshold]
    search: _Search | None
    cost_usd_estimate: _Number | None
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
    float: _Number,
    int: _Count,
    float | None: _Number | None,
    dict[str, int]: _Errors,
}
_FIELDS: dict[str, Any] = {
    name: (_BOUNDED[kind], ...) for name, kind in get_type_hints(Interval).items()
}
_Line = create_model("_Line", __base__=_Part, **_FIELDS)
