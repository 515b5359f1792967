"""Campaigns, recommenders and filters: what exists, under which ARN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.emulator.errors import not_found
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES, Recipe
from worker.emulator.settings import (
    DEFAULT_CAMPAIGNS,
    DEFAULT_RECOMMENDERS,
    CampaignSettings,
    EmulatorSettings,
)

INFLUENCE: Final = "rankingInfluence"
"""The member of campaignConfig that moves what is popular or new up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A campaign or a recommender, always ACTIVE. `requests_per_s_min` is its provisioned rate.

    `extras` are the other members of its config that were given.
    """

    name: str
    arn: str
    recipe: Recipe
    metadata: bool  # requests may ask for metadataColumns
    requests_per_s_min: int
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def influence(self) -> Mapping[str, float]:
        """How much popularity and freshness count in its answers, 0 to 1 each."""
        found: Mapping[str, float] = self.extras.get(INFLUENCE, {})
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterResource:
    """A filter, always ACTIVE, as it was declared."""

    name: str
    arn: str
    expression: str


class Resources:
    """Everything that requests can name, found by the member that names it.

    Without any campaign or recommender in the settings, the default ones of both kinds exist.
    """

    def __init__(self, settings: EmulatorSettings) -> None:
        prefix = f"arn:aws:personalize:{settings.region}:{settings.account}:"
        declared = settings.campaigns or settings.recommenders
        campaigns = [
            Resource(
                name=campaign.name,
                arn=f"{prefix}campaign/{campaign.name}",
                recipe=CAMPAIGN_RECIPES[campaign.recipe],
                metadata=_returns_metadata(campaign),
                requests_per_s_min=campaign.min_provisioned_tps,
                extras={INFLUENCE: campaign.ranking_influence}
                if campaign.ranking_influence
                else {},
            )
            for campaign in (settings.campaigns if declared else DEFAULT_CAMPAIGNS)
        ]
        recommenders = [
            Resource(
                name=recommender.name,
                arn=f"{prefix}recommender/{recommender.name}",
                recipe=USE_CASES[recommender.use_case],
                metadata=recommender.metadata,
                requests_per_s_min=recommender.min_recommendation_requests_per_second,
            )
            for recommender in (settings.recommenders if declared else DEFAULT_RECOMMENDERS)
        ]
        self.arn_prefix = prefix
        self.filters = tuple(
            FilterResource(
                name=each.name, arn=f"{prefix}filter/{each.name}", expression=each.expression
            )
            for each in settings.filters
        )
        self._by_member = {
            "campaignArn": {each.arn: each for each in campaigns},
            "recommenderArn": {each.arn: each for each in recommenders},
        }

    @property
    def campaigns(self) -> tuple[Resource, ...]:
        """The campaigns as they are now, in the order of their declaration."""
        return tuple(self._by_member["campaignArn"].values())

    @property
    def recommenders(self) -> tuple[Resource, ...]:
        """The recommenders, in the order of their declaration."""
        return tuple(self._by_member["recommenderArn"].values())

    def change(self, changed: Resource) -> None:
        """Let a campaign or recommender be from now on what `changed` says, whose ARN it has."""
        for known in self._by_member.values():
            if changed.arn in known:
                known[changed.arn] = changed

    def find(self, member: str, arn: str) -> Resource:
        """Return what `arn` names in the request member campaignArn or recommenderArn.

        Raises ServiceFault, naming what exists, when there is no such thing.
        """
        known = self._by_member[member]
        if arn not in known:
            exist = ", ".join(known) or "none"
            kind = member.removesuffix("Arn")
            raise not_found(f"the {kind} {arn} does not exist; here exist: {exist}")
        return known[arn]


def _returns_metadata(campaign: CampaignSettings) -> bool:
    declared = campaign.metadata
    return CAMPAIGN_RECIPES[campaign.recipe].metadata if declared is None else declared
