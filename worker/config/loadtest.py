"""Section [loadtest] of the config. Light to import: every command reads configs that have it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from worker.config.thresholds import kept_text

_TPS_MAX = 100_000
_SECONDS_MAX = 86_400
_Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    """Frozen, and a typo in a key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Stage(_Section):
    """Some seconds of load."""

    tps: float = Field(ge=0, le=_TPS_MAX, description="calls per second; 0 is a pause")
    seconds: float = Field(gt=0, le=_SECONDS_MAX, description="how long")
    ramp: bool = Field(
        False, description="go there in a line from the stage before (the first: from 0)"
    )


class SearchSection(_Section):
    """The highest rate that is held, instead of stages."""

    tps_max: float = Field(gt=0, le=_TPS_MAX, description="highest rate to try")
    tps_start: float = Field(10.0, gt=0, le=_TPS_MAX, description="first rate to try")
    p99_ms_max: float | None = Field(
        None, gt=0, description="a rate is held while p99_ms is not above this"
    )
    throttle_share_max: _Share = Field(
        0.001, description="a rate is held while no larger share of calls is throttled"
    )
    error_share_max: _Share = Field(
        0.01, description="a rate is held while no larger share of calls fails in another way"
    )
    step_s: float = Field(
        30.0,
        ge=0.5,
        le=_SECONDS_MAX,
        description="seconds at each rate (their first tenth is not judged); "
        "the rate that is found is confirmed for three times as long",
    )
    settle_s: float = Field(
        0.0,
        ge=0,
        le=_SECONDS_MAX,
        description="seconds of load at the lowest rate that was not held, before it is tried "
        "again: the service scales out in 5 to 10 minutes (600 shows it)",
    )


class Loadtest(_Section):
    """What `loadtest` does: stages, or a search. [rate] and retries are for `run`."""

    stages: Annotated[tuple[Stage, ...], Field(max_length=100)] = Field(
        (), description="rates, one after the other"
    )
    search: SearchSection | None = Field(
        None, description="find the highest rate that is held, instead of stages"
    )
    thresholds: Annotated[tuple[Annotated[str, AfterValidator(kept_text)], ...], Field()] = Field(
        (),
        description="what must hold, else exit code 5: p50_ms, p90_ms, p99_ms, p999_ms, max_ms, "
        "throttle_share, error_share or tps; <, <=, > or >=; a number. "
        "After a search they are for the confirmation",
    )
    abort_on_breach: bool = Field(
        False, description="end a test of stages as soon as a threshold (but one of tps) breaks"
    )
    abort_after_s: float = Field(
        10.0, ge=0, le=_SECONDS_MAX, description="not before so many seconds, and 100 calls"
    )
    order: Literal["cycle", "sample"] = Field(
        "cycle",
        description="cycle: rows in their order, again and again; sample: any of up to 100,000 "
        "rows, drawn with `seed`",
    )
    seed: int = Field(1, ge=0, lt=2**63, description="seed of the sample")
    in_flight_max: int = Field(
        1000, ge=1, le=20_000, description="calls open at the same time; further ones leave late"
    )
    late_share_max: _Share = Field(
        0.01,
        description="the result is invalid when a larger share of calls left more than 20 ms late, "
        "or never: then the client was the limit",
    )
    attempts_parquet: bool = Field(
        False, description="write attempts.parquet, too: one row for each call"
    )

    @model_validator(mode="after")
    def _is_one_test(self) -> Self:
        if bool(self.stages) == (self.search is not None):
            raise ValueError("needs either stages or search")
        if self.stages and not any(stage.tps for stage in self.stages):
            raise ValueError("every stage has tps = 0; one must have more")
        if self.search and self.search.tps_start > self.search.tps_max:
            raise ValueError("search.tps_start must not exceed search.tps_max")
        if self.abort_on_breach and not self.stages:
            raise ValueError("abort_on_breach goes with stages; a search ends by itself")
        return self
