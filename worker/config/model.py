"""The config: what a TOML file may say, checked once, then frozen.

Each section is a model; a field's description is its line in configs/README.md and in the JSON
Schema.
Limits of the service that can be seen here (numResults, names, ARNs) are checked here; those that
depend on a row are checked in codec/requests.py.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from worker.config.loadtest import Loadtest
from worker.config.values import (
    ColumnName,
    Compression,
    ContextKey,
    ContextValue,
    FilterArn,
    FilterKey,
    FilterValues,
    LocalPath,
    MetadataColumn,
    Section,
    Share,
    arn_of,
    check_endpoint_url,
)
from worker.personalize import limits
from worker.personalize.operations import Operation
from worker.runtime.deadline import parse_deadline


class Target(Section):
    """What is called, and how it is reached."""

    operation: Operation = Field(description="the runtime operation to call for each row")
    campaign_arn: Annotated[str, arn_of("campaign")] | None = Field(
        None, description="the campaign; exactly one of campaign_arn and recommender_arn"
    )
    recommender_arn: Annotated[str, arn_of("recommender")] | None = Field(
        None, description="the domain recommender (GetRecommendations only)"
    )
    region: str | None = Field(None, description="AWS region; default: the ARN's")
    profile: str | None = Field(
        None, description="AWS profile; default: the usual AWS credential chain"
    )
    endpoint_url: Annotated[str, AfterValidator(check_endpoint_url)] | None = Field(
        None,
        description="where the API is; default: AWS's, or what the SDK's variables "
        "(AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME) or files say",
    )
    ca_bundle: LocalPath | None = Field(
        None, description="PEM file with the trust root of a private endpoint"
    )
    transport: Literal["wire", "sdk"] = Field(
        "wire", description="how calls are made; wire: over own connections; sdk: aioboto3"
    )

    @property
    def arn(self) -> str:
        """The campaign's or the recommender's ARN."""
        return self.campaign_arn or self.recommender_arn or ""

    @property
    def region_name(self) -> str:
        """`region`, else the one in the ARN."""
        return self.region or self.arn.split(":")[3]

    @model_validator(mode="after")
    def _one_arn(self) -> Self:
        if (self.campaign_arn is None) == (self.recommender_arn is None):
            raise ValueError("needs exactly one of campaign_arn and recommender_arn")
        if self.recommender_arn and self.operation is not Operation.GET_RECOMMENDATIONS:
            raise ValueError(f"{self.operation} takes a campaign_arn, not a recommender_arn")
        if not self.region_name:
            raise ValueError("needs a region: the ARN names none")
        if not limits.REGION_PATTERN.fullmatch(self.region_name):
            raise ValueError(f"the region {self.region_name!r} is none, such as us-east-1")
        return self


class Promotion(Section):
    """A promotion: part of the results comes from a filter of its own."""

    name: Annotated[
        str, StringConstraints(pattern=f"^{limits.PROMOTION_NAME_PATTERN.pattern}$")
    ] = Field(description="comes back as promotion_name with each promoted item")
    percent_promoted_items: int = Field(
        ge=limits.PERCENT_PROMOTED_ITEMS_MIN,
        le=limits.PERCENT_PROMOTED_ITEMS_MAX,
        description="share of num_results, in percent",
    )
    filter_arn: FilterArn = Field(description="selects the promoted items")
    filter_values: FilterValues = Field(
        default_factory=dict, description="values of that filter's placeholders"
    )


class RequestSection(Section):
    """The same for every row."""

    num_results: int | None = Field(
        None,
        ge=1,
        le=limits.NUM_RESULTS_MAX,
        description="results per row; default: the service's, 25 items or 5 actions",
    )
    filter_arn: FilterArn | None = Field(None, description="filter to apply")
    filter_values: FilterValues = Field(
        default_factory=dict,
        description="values of the filter's placeholders, quoted as the API wants: "
        '\'"Comedy","Drama"\'',
    )
    context: Annotated[
        dict[ContextKey, ContextValue], Field(max_length=limits.CONTEXT_KEYS_MAX)
    ] = Field(default_factory=dict, description="contextual metadata")
    metadata_columns: Annotated[
        tuple[MetadataColumn, ...], Field(max_length=limits.METADATA_COLUMNS_MAX)
    ] = Field((), description="columns of the Items data set to return with each item")
    promotions: Annotated[tuple[Promotion, ...], Field(max_length=limits.PROMOTIONS_MAX)] = Field(
        (), description="at most one promotion"
    )


class InputColumns(Section):
    """Which column brings what. A row's own value wins over the constant in [request]."""

    user_id: ColumnName | None = Field(None, description="user IDs: text, UUIDs or whole numbers")
    item_id: ColumnName | None = Field(None, description="item IDs, for related items")
    item_list: ColumnName | None = Field(
        None, description="lists of item IDs, or of results, for ranking"
    )
    num_results: ColumnName | None = Field(None, description="results wanted, per row")
    context: Annotated[dict[ContextKey, ColumnName], Field(max_length=limits.CONTEXT_KEYS_MAX)] = (
        Field(default_factory=dict, description="context key = column")
    )
    filter_values: Annotated[
        dict[FilterKey, ColumnName], Field(max_length=limits.FILTER_VALUES_MAX)
    ] = Field(
        default_factory=dict,
        description="placeholder = column (scalar or list); quoting is done for you",
    )

    @property
    def ids(self) -> tuple[str, ...]:
        """The ID columns, always copied to the output."""
        named = (self.user_id, self.item_id, self.item_list)
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def all(self) -> tuple[str, ...]:
        """Every column that a request is made from, each once."""
        extra = (self.num_results, *self.context.values(), *self.filter_values.values())
        return tuple(dict.fromkeys((*self.ids, *(name for name in extra if name))))


class Input(Section):
    """The rows."""

    path: LocalPath = Field(description="Parquet file, folder (hive partitions too) or glob")
    where: str | None = Field(
        None, min_length=1, description="SQL condition that selects rows, pushed down to Parquet"
    )
    keep: tuple[ColumnName, ...] = Field((), description="more columns to copy to the output")
    deduplicate: bool = Field(
        True, description="send identical requests of a part once, and answer every row"
    )
    columns: InputColumns = Field(description="which column brings what")


class Output(Section):
    """The results."""

    path: LocalPath = Field(description="folder of this run; made if missing")
    layout: Literal["nested", "exploded"] = Field(
        "nested", description="nested: a row per input row; exploded: a row per item"
    )
    compression: Compression = Field("zstd", description="Parquet compression")
    rows_per_part: int = Field(
        100_000, ge=1, le=10_000_000, description="input rows per part, the unit of resuming"
    )


class Rate(Section):
    """How fast, at most."""

    tps: float | None = Field(
        None,
        gt=0,
        le=100_000,
        description="ceiling on HTTP attempts per second, retries included; "
        "default: the campaign's provisioned TPS",
    )
    ramp_s: float = Field(
        0.0, ge=0, le=86_400, description="seconds to climb from ramp_from to tps"
    )
    ramp_from: float | None = Field(
        None, gt=0, description="attempts per second at the start of the ramp; default: tps / 10"
    )
    adaptive: bool = Field(
        True, description="back off on throttling, find capacity again; never above tps"
    )
    in_flight_max: int = Field(256, ge=1, le=10_000, description="calls open at the same time")


class Retry(Section):
    """What is tried again."""

    attempts_max: int = Field(6, ge=1, le=100, description="attempts per row, the first included")
    timeout_s: float = Field(
        5.0, gt=0, le=300, description="seconds to connect, and from the request to its answer"
    )
    budget_share: float = Field(
        0.2, ge=0, le=10, description="retries as a share of first attempts, over the run"
    )


class Stop(Section):
    """When to end early. All but error_share_max end with exit code 75: run again to carry on."""

    deadline: Annotated[str, AfterValidator(parse_deadline)] | None = Field(
        None, description='local wall clock ("05:30") or a duration ("2h", "90m", "1h30m")'
    )
    calls_max: int | None = Field(None, ge=1, description="HTTP attempts of this invocation")
    cost_usd_max: float | None = Field(
        None, gt=0, description="estimated cost of this invocation; needs price.per_1000_usd"
    )
    error_share_max: float = Field(
        0.0, ge=0, le=1, description="failed rows tolerated, as a share of all (else exit code 3)"
    )
    error_share_stop: float = Field(
        0.5, ge=0, le=1, description="share of the last 1,000 rows that fail at which to stop"
    )
    outage_s: float = Field(
        120.0, gt=0, le=86_400, description="seconds without any answer at which to stop"
    )


class Price(Section):
    """An estimate's input, never fact."""

    per_1000_usd: float | None = Field(None, ge=0, description="US dollars per 1,000 calls")


class Quality(Section):
    """Gates on what a run produced. A breach ends with exit code 5, without `_SUCCESS`."""

    empty_share_max: Share | None = Field(
        None, description="results without an item or action, as a share of all results"
    )
    short_share_max: Share | None = Field(
        None, description="results with fewer than were asked for, empty ones included"
    )
    fallback_share_max: Share | None = Field(
        None, description="results whose list many others share, as unknown users' lists are"
    )
    distinct_items_min: int | None = Field(
        None, ge=1, description="different items or actions over all results"
    )
    overlap_with_previous_min: Share | None = Field(
        None, description="mean share of a row's first 10 that it had in the run at `previous`, too"
    )
    previous: LocalPath | None = Field(
        None, description="output.path of the run that overlap_with_previous_min compares with"
    )


class Config(Section):
    """Config of personalize-worker."""

    target: Target
    request: RequestSection = RequestSection.model_validate({})
    input: Input
    output: Output
    rate: Rate = Rate.model_validate({})
    retry: Retry = Retry.model_validate({})
    stop: Stop = Stop.model_validate({})
    price: Price = Price.model_validate({})
    quality: Quality = Quality.model_validate({})
    loadtest: Loadtest | None = None
