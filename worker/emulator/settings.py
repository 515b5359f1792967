"""What the emulator can be told: its data, its address and its resources.

Light to import (pydantic only), because a config embeds `EmulatorSettings` whether or not the
emulator is ever started.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from worker.emulator.conditions.settings import (
    CapacitySettings,
    CredentialSettings,
    Share,
    WeatherSettings,
    Whole,
)
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES, Kind, Recipe


def _known(name: str, table: dict[str, Recipe], what: str) -> str:
    if name not in table:
        msg = f"{name!r} is no {what} that the emulator knows; it knows: {', '.join(sorted(table))}"
        raise ValueError(msg)
    return name


def _known_recipe(name: str) -> str:
    return _known(name, CAMPAIGN_RECIPES, "recipe")


def _known_use_case(name: str) -> str:
    return _known(name, USE_CASES, "use case")


ResourceName = Annotated[
    str,
    # shape `Name` of botocore's personalize model: what fits behind the last slash of an ARN
    StringConstraints(min_length=1, max_length=63, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_]*$"),
]


def _path(text: str) -> str:
    if "\0" in text:
        msg = "must have no NUL, which no path has"
        raise ValueError(msg)
    return text


DataPath = Annotated[str, StringConstraints(min_length=1), AfterValidator(_path)]


class CampaignSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """One campaign: a name, the recipe behind it and what DescribeCampaign tells about it."""

    name: ResourceName = Field(description="Name in the ARN: .../campaign/NAME.")
    recipe: Annotated[str, AfterValidator(_known_recipe)] = Field(
        description="AWS's name of the recipe, such as aws-user-personalization-v2."
    )
    min_provisioned_tps: Whole = Field(
        default=1, ge=1, description="minProvisionedTPS, requests per second."
    )
    metadata: bool | None = Field(
        default=None,
        description="Whether requests may ask for metadataColumns. Absent: with the recipes whose "
        "campaigns return metadata without being enabled for it, such as version 2's.",
    )
    ranking_influence: dict[Literal["POPULARITY", "FRESHNESS"], Share] = Field(
        default={},
        description="rankingInfluence: how much popular and new items are preferred, 0 to 1 each; "
        "for aws-semantic-similarity.",
    )


class RecommenderSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """One domain recommender: a name, its use case and what DescribeRecommender tells about it."""

    name: ResourceName = Field(description="Name in the ARN: .../recommender/NAME.")
    use_case: Annotated[str, AfterValidator(_known_use_case)] = Field(
        description="AWS's name of the domain use case, such as aws-vod-top-picks."
    )
    min_recommendation_requests_per_second: Whole = Field(
        default=1, ge=1, description="minRecommendationRequestsPerSecond."
    )
    metadata: bool = Field(
        default=False, description="Whether requests may ask for metadataColumns."
    )


class FilterSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """One filter: a name and what it lets through."""

    name: ResourceName = Field(description="Name in the ARN: .../filter/NAME.")
    expression: Annotated[str, StringConstraints(min_length=1, max_length=2500)] = Field(
        description="Filter expression, such as INCLUDE ItemID WHERE Items.YEAR >= 1990."
    )  # lengths: shape FilterExpression of botocore's personalize model


_PREFIX: Final = "aws-"

DEFAULT_CAMPAIGNS: Final = tuple(
    CampaignSettings(
        name=name.removeprefix(_PREFIX), recipe=name, metadata=recipe.kind is not Kind.ACTION
    )
    for name, recipe in CAMPAIGN_RECIPES.items()
)
"""What exists when neither campaigns nor recommenders are declared: every recipe."""

DEFAULT_RECOMMENDERS: Final = tuple(
    RecommenderSettings(name=name.removeprefix(_PREFIX), use_case=name, metadata=True)
    for name in USE_CASES
)
"""What exists when neither campaigns nor recommenders are declared: every domain use case."""


class SchemaSettings(BaseModel, frozen=True, extra="forbid", defer_build=True):
    """Avro schemas of data sets, as AWS's CreateSchema takes them: JSON files."""

    interactions: DataPath | None = Field(default=None, description="Schema of the interactions.")
    items: DataPath | None = Field(default=None, description="Schema of the items.")
    users: DataPath | None = Field(default=None, description="Schema of the users.")
    actions: DataPath | None = Field(default=None, description="Schema of the actions.")
    action_interactions: DataPath | None = Field(
        default=None, description="Schema of the action interactions."
    )


class EmulatorSettings(BaseModel, frozen=True, extra="forbid", hide_input_in_errors=True):
    """Everything the emulator can be told. All of it has a default.

    Raises pydantic's ValidationError for unknown keys, unknown recipes, names that fit no ARN,
    names used twice, item or user data without interactions, and schemas without their data.
    """

    interactions: DataPath | None = Field(
        default=None,
        description="Parquet, CSV or .csv.gz file, or a folder of them, with USER_ID, ITEM_ID, "
        "TIMESTAMP and any other columns. Without it, the emulator makes up its own data from "
        "`seed`.",
    )
    items: DataPath | None = Field(
        default=None, description="Likewise with ITEM_ID and metadata columns."
    )
    users: DataPath | None = Field(
        default=None, description="Likewise with USER_ID and metadata columns."
    )
    actions: DataPath | None = Field(
        default=None, description="Likewise with ACTION_ID and metadata columns."
    )
    action_interactions: DataPath | None = Field(
        default=None,
        description="Likewise with USER_ID, ACTION_ID, TIMESTAMP and EVENT_TYPE: TAKEN, NOT_TAKEN "
        "or VIEWED. An action has a score once those of the last six weeks, back from the latest, "
        "hold 50 TAKEN and 50 of the others with it; else, and without the data set, it is 0.",
    )
    schemas: SchemaSettings = Field(
        default=SchemaSettings(),
        description="Avro schemas that say which type each column has. Without one, text that is "
        "all numbers can be compared as numbers.",
    )
    strict: bool = Field(
        default=False,
        description="Refuse data and resources that break a rule or a quota of AWS's, instead of "
        "warning.",
    )
    host: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="127.0.0.1", description="Address to listen on. Anything but loopback is warned of."
    )
    port: Whole = Field(default=8765, ge=0, le=65535, description="TCP port; 0 picks a free one.")
    seed: Whole = Field(default=1, ge=0, lt=2**63, description="Seed of made-up data and chance.")
    account: Annotated[str, StringConstraints(pattern=r"^\d{12}$")] = Field(
        default="000000000000",
        coerce_numbers_to_str=True,  # 123456789012 is a number in TOML
        description="Account ID in the ARNs, 12 digits.",
    )
    region: Annotated[str, StringConstraints(pattern=r"^[a-z\d]+(-[a-z\d]+)*$")] = Field(
        default="us-east-1", description="Region in the ARNs."
    )
    campaigns: tuple[CampaignSettings, ...] = Field(
        default=(),
        description="Campaigns. Without any campaign or recommender there is one for every recipe, "
        "named as the recipe without its aws-: "
        + ", ".join(campaign.name for campaign in DEFAULT_CAMPAIGNS)
        + ".",
    )
    recommenders: tuple[RecommenderSettings, ...] = Field(
        default=(),
        description="Domain recommenders. Without any campaign or recommender there is one for "
        "every use case, named as the use case without its aws-: "
        + ", ".join(recommender.name for recommender in DEFAULT_RECOMMENDERS)
        + ".",
    )
    filters: tuple[FilterSettings, ...] = Field(
        default=(), description="Filters that requests and promotions can name."
    )

    unknown_context: Literal["refuse", "ignore"] = Field(
        default="refuse",
        description="What happens to context keys that are no columns of the interactions.",
    )
    unknown_item_score: Literal["absent", "zero"] = Field(
        default="zero",
        description="Score of ranked items that are not in the catalogue. zero: as documented now; "
        "absent: no score, as answers of 2020 had it.",
    )
    credentials: tuple[CredentialSettings, ...] = Field(
        default=(),
        description="Keys whose signatures are verified. None: nobody's signature is.",
    )
    capacity: CapacitySettings | None = Field(
        default=None, description="Quotas and scaling. Absent: no call is throttled."
    )
    weather: WeatherSettings | None = Field(
        default=None, description="Latency and faults. Absent: none."
    )

    @model_validator(mode="after")
    def _consistent(self) -> EmulatorSettings:
        _refuse_duplicates("campaigns", (campaign.name for campaign in self.campaigns))
        _refuse_duplicates("recommenders", (each.name for each in self.recommenders))
        _refuse_duplicates("credentials", (each.access_key_id for each in self.credentials))
        _refuse_duplicates("filters", (each.name for each in self.filters))
        alone = [key for key in ("items", "users") if getattr(self, key) is not None]
        if alone and self.interactions is None:
            msg = (
                f"{' and '.join(alone)} given without interactions, which the emulator learns "
                "from; set interactions to a file with USER_ID, ITEM_ID and TIMESTAMP, or leave "
                "all of them out for made-up data"
            )
            raise ValueError(msg)
        for key in type(self.schemas).model_fields:
            if getattr(self.schemas, key) is not None and getattr(self, key) is None:
                msg = f"schemas.{key} given without {key}, the data that it is the schema of"
                raise ValueError(msg)
        return self


def _refuse_duplicates(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            msg = f"two {what} are called {name!r}; give each its own name"
            raise ValueError(msg)
        seen.add(name)
