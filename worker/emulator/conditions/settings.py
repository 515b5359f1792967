"""What the emulator can be told about its credentials, its capacity and its weather.

Light to import (pydantic only), as emulator/settings.py, which embeds these.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import (
    AllowInfNan,
    BaseModel,
    Field,
    SecretStr,
    Strict,
    StringConstraints,
    model_validator,
)

OperationName = Literal[
    "GetRecommendations",
    "GetPersonalizedRanking",
    "GetActionRecommendations",
    "DescribeCampaign",
    "DescribeFilter",
    "DescribeRecipe",
    "DescribeRecommender",
    "DescribeSolution",
    "DescribeSolutionVersion",
    "ListCampaigns",
    "ListFilters",
    "UpdateCampaign",
    "UpdateRecommender",
]
"""The operations that the emulator knows, as a credential may be allowed them."""

InjectedCode = Literal["InternalFailure", "ServiceUnavailable", "ThrottlingException"]
# Numbers and nothing else: pydantic would take true for 1, and text for the number in it.
Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
_Seconds = Annotated[Number, Field(gt=0, le=86_400)]


class CredentialSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """One pair of keys that may sign requests; secret and token show in no log and no repr."""

    access_key_id: Annotated[str, StringConstraints(pattern=r"^\w{1,128}$")] = Field(
        description="The access key ID, which a request names."
    )
    secret_access_key: SecretStr = Field(description="The secret key, which signs it.")
    allow: tuple[OperationName, ...] | None = Field(
        default=None,
        description="Operations that it may call, others are AccessDeniedException. Absent: all.",
    )
    session_token: SecretStr | None = Field(
        default=None,
        description="Session token that a request must bring, too, as temporary keys have one.",
    )
    expires_after_s: Number | None = Field(
        default=None,
        gt=0,
        description="Seconds from the start after which it is ExpiredTokenException.",
    )


class CapacitySettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """How much a campaign or recommender serves, and how it scales.

    Sources: the quotas of the developer guide (500 and 2,500 a second); "a capacity buffer above
    the minimum" and scaling out in 5 to 10 minutes, Personalize cheat sheet. The buffer's size,
    the time to scale in and the size of a burst are documented nowhere.
    """

    buffer_share: Number = Field(
        default=0.2, ge=0, le=10, description="Served above the provisioned rate, as a share of it."
    )
    burst_s: Number = Field(
        default=0.25,
        gt=0,
        le=60,
        description="Seconds of the rate that may come at once after a pause (one call at least).",
    )
    scale_out_s: _Seconds = Field(
        default=300.0, description="Load above the provisioned rate lasts this long to raise it."
    )
    scale_in_s: _Seconds = Field(
        default=600.0, description="Load below the provisioned rate lasts this long to lower it."
    )
    update_s: _Seconds = Field(
        default=300.0, description="Time from UpdateCampaign to the update's ACTIVE."
    )
    time_factor: Number = Field(
        default=1.0,
        gt=0,
        le=100_000,
        description="Service time per real time for the three above; 60: a minute in a second.",
    )
    campaign_tps_max: Number = Field(
        default=500.0, gt=0, description="Quota of each campaign or recommender, calls per second."
    )
    account_tps_max: Number = Field(
        default=2500.0, gt=0, description="Quota of all of them together, calls per second."
    )
    throttle_status: Literal[400, 429] = Field(
        default=400, description="HTTP status of ThrottlingException."
    )


class StallSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """Times when nothing is answered: the last `for_s` of every `every_s` seconds."""

    every_s: _Seconds = Field(description="Seconds from the end of one stall to the next one's.")
    for_s: _Seconds = Field(description="Seconds without an answer; less than every_s.")

    @model_validator(mode="after")
    def _ends(self) -> StallSettings:
        if self.for_s >= self.every_s:
            msg = f"for_s {self.for_s:g} must be less than every_s {self.every_s:g}"
            raise ValueError(msg)
        return self


class WeatherSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """What goes wrong on the way to runtime requests, and how often.

    Each request's fate is drawn from `seed` and its number, so that it is the same in every run.
    """

    seed: Whole = Field(default=1, ge=0, lt=2**63, description="Seed of every request's fate.")
    latency_ms_p50: Number = Field(
        default=0.0, ge=0, le=600_000, description="Median of the time added to an answer."
    )
    latency_ms_p99: Number | None = Field(
        default=None,
        ge=0,
        le=600_000,
        description="Its 99th percentile (lognormal); absent: the median, always.",
    )
    error_shares: dict[InjectedCode, Share] = Field(
        default={}, description="Share of requests answered with each error; 1 in total at most."
    )
    reset_share: Share = Field(default=0.0, description="Share of connections reset (RST).")
    cut_body_share: Share = Field(default=0.0, description="Share of bodies that end too early.")
    slow_body_share: Share = Field(default=0.0, description="Share of bodies sent piece by piece.")
    slow_body_s: Number = Field(default=1.0, gt=0, le=600, description="Duration of a slow body.")
    close_share: Share = Field(
        default=0.0, description="Share of answers with Connection: close, and closed then."
    )
    chunked_share: Share = Field(default=0.0, description="Share of bodies sent in chunks.")
    gzip_share: Share = Field(
        default=0.0, description="Share of bodies compressed, where the client accepts gzip."
    )
    stall: StallSettings | None = Field(
        default=None, description="Times when nothing is answered; absent: none."
    )

    @model_validator(mode="after")
    def _possible(self) -> WeatherSettings:
        if (total := math.fsum(self.error_shares.values())) > 1:
            msg = f"error_shares are {total:g} in total; 1 is all there is"
            raise ValueError(msg)
        p99 = self.latency_ms_p99
        if p99 is not None and not 0.001 <= self.latency_ms_p50 <= p99:
            msg = (
                f"latency_ms_p50 {self.latency_ms_p50:g} must be 0.001 at least, and at most "
                f"latency_ms_p99 {self.latency_ms_p99:g}"
            )
            raise ValueError(msg)
        return self
