"""The control plane: what clients ask about resources, and their updates.

Choices: everything was created when the emulator started, and is ACTIVE. Each campaign has a
solution of its own name with one version; everything is in the data set group `emulator`; domain
use cases are recipes, too. Each version took an hour to train. Lists are sorted as declared, 100 a
page, and nextToken is the next one's position. `configs` says what updates change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeVar

import orjson

from worker.emulator.api.configs import (
    campaign_config,
    changed_campaign,
    changed_recommender,
    recommender_config,
)
from worker.emulator.api.contract import Contract
from worker.emulator.api.updates import Updates
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.errors import ServiceFault
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES, Kind
from worker.emulator.resources import FilterResource, Resource, Resources

TARGET_PREFIX: Final = "AmazonPersonalize."
"""What comes before an operation's name in the header X-Amz-Target (botocore model personalize)."""

_TRAINING_HOURS: Final = 1.0
_PAGE_MAX: Final = 100  # shape MaxResults
_RECIPE_TYPES: Final = {
    Kind.USER: "USER_PERSONALIZATION",
    Kind.ITEM: "RELATED_ITEMS",
    Kind.POPULAR: "POPULAR_ITEMS",
    Kind.RANKING: "PERSONALIZED_RANKING",
    Kind.ACTION: "PERSONALIZED_ACTIONS",
}
# By its own page; by the page "Choosing a recipe" it is one of POPULAR_ITEMS.
_TYPES_OF_THEIR_OWN: Final = {"aws-popularity-count": "USER_PERSONALIZATION"}
_Members = dict[str, Any]
_T = TypeVar("_T")


class Control:
    """Operations over the declared resources, in the shapes of botocore's personalize model.

    Without `updates`, an update changes no capacity. Times are Unix seconds in answers; `clock`
    counts seconds from any beginning.
    """

    def __init__(
        self,
        resources: Resources,
        *,
        updates: Updates | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._operations: dict[str, Callable[[_Members], _Members]] = {
            "DescribeCampaign": self._describe_campaign,
            "DescribeFilter": self._describe_filter,
            "DescribeRecipe": self._describe_recipe,
            "DescribeRecommender": self._describe_recommender,
            "DescribeSolution": self._describe_solution,
            "DescribeSolutionVersion": self._describe_solution_version,
            "ListCampaigns": self._list_campaigns,
            "ListFilters": self._list_filters,
            "UpdateCampaign": self._update_campaign,
            "UpdateRecommender": self._update_recommender,
        }
        self._contract = Contract("personalize", tuple(self._operations))
        self._resources = resources
        self._updates = updates or Updates(Capacity(None, {}, now_s=0.0), resources)
        self._clock = clock
        self._started_s = clock()
        self._started = round(time.time(), 3)
        prefix = resources.arn_prefix
        self._group = f"{prefix}dataset-group/emulator"
        self._filters = {each.arn: each for each in resources.filters}
        self._campaigns = resources.campaigns  # their names and recipes, which no update changes
        self._solutions = {f"{prefix}solution/{each.name}": each for each in self._campaigns}
        self._versions = {self._version(each): each for each in self._campaigns}
        recipes = (*CAMPAIGN_RECIPES.values(), *USE_CASES.values())
        self._recipes = {recipe.arn: recipe for recipe in recipes}

    def answer(self, target: str, body: bytes) -> bytes:
        """Answer the operation that the header X-Amz-Target names. Raises ServiceFault."""
        name = target.removeprefix(TARGET_PREFIX)
        if name == target or name not in self._operations:
            known = ", ".join(self._operations)
            raise ServiceFault(
                "UnknownOperationException", 404, f"no operation {target!r} here; there are {known}"
            )
        self._updates.settle(self._clock())
        return orjson.dumps(self._operations[name](self._contract.request(name, body)))

    def _describe_campaign(self, members: _Members) -> _Members:
        campaign = self._find("campaignArn", members["campaignArn"])
        described = {
            "name": campaign.name,
            "campaignArn": campaign.arn,
            **self._provisioned(campaign),
            **self._status(),
        }
        summary, changed = self._updated(campaign.arn, self._provisioned)
        if summary is not None:
            described |= {"latestCampaignUpdate": summary, **changed}
        return {"campaign": described}

    def _describe_recommender(self, members: _Members) -> _Members:
        recommender = self._find("recommenderArn", members["recommenderArn"])
        described = {
            "name": recommender.name,
            "recommenderArn": recommender.arn,
            "datasetGroupArn": self._group,
            "recipeArn": recommender.recipe.arn,
            "recommenderConfig": recommender_config(recommender),
            **self._status(),
        }
        summary, changed = self._updated(
            recommender.arn, lambda updated: {"recommenderConfig": recommender_config(updated)}
        )
        if summary is not None:
            described |= {"latestRecommenderUpdate": summary, **changed}
        return {"recommender": described}

    def _describe_filter(self, members: _Members) -> _Members:
        found = _one_of(self._filters, "filterArn", members["filterArn"])
        return {"filter": {**self._filter(found), "filterExpression": found.expression}}

    def _describe_solution(self, members: _Members) -> _Members:
        arn = members["solutionArn"]
        campaign = _one_of(self._solutions, "solutionArn", arn)
        solution = {
            "name": campaign.name,
            "solutionArn": arn,
            "performHPO": False,
            "performAutoML": False,
            "performAutoTraining": False,
            "recipeArn": campaign.recipe.arn,
            "datasetGroupArn": self._group,
            "latestSolutionVersion": {
                "solutionVersionArn": self._version(campaign),
                **self._status(),
                "trainingMode": "FULL",
                "trainingType": "MANUAL",
            },
            **self._status(),
        }
        return {"solution": solution}

    def _describe_solution_version(self, members: _Members) -> _Members:
        arn = members["solutionVersionArn"]
        campaign = _one_of(self._versions, "solutionVersionArn", arn)
        version = {
            "name": campaign.name,
            "solutionVersionArn": arn,
            "solutionArn": arn.rpartition("/")[0],
            "performHPO": False,
            "performAutoML": False,
            "recipeArn": campaign.recipe.arn,
            "datasetGroupArn": self._group,
            "trainingHours": _TRAINING_HOURS,
            "trainingMode": "FULL",
            "trainingType": "MANUAL",
            **self._status(),
        }
        return {"solutionVersion": version}

    def _describe_recipe(self, members: _Members) -> _Members:
        recipe = _one_of(self._recipes, "recipeArn", members["recipeArn"])
        described = {
            "name": recipe.name,
            "recipeArn": recipe.arn,
            "recipeType": _TYPES_OF_THEIR_OWN.get(recipe.name, _RECIPE_TYPES[recipe.kind]),
            **self._status(),
        }
        return {"recipe": described}

    def _list_campaigns(self, members: _Members) -> _Members:
        solution = members.get("solutionArn")
        campaigns = self._campaigns
        if solution is not None:
            campaigns = (_one_of(self._solutions, "solutionArn", solution),)
        rows = [{"name": e.name, "campaignArn": e.arn, **self._status()} for e in campaigns]
        return _page("campaigns", rows, members)

    def _list_filters(self, members: _Members) -> _Members:
        group = members.get("datasetGroupArn", self._group)
        _one_of({self._group: None}, "datasetGroupArn", group)
        rows = [self._filter(each) for each in self._filters.values()]
        return _page("Filters", rows, members)

    def _update_campaign(self, members: _Members) -> _Members:
        campaign = self._find("campaignArn", members["campaignArn"])
        changed = changed_campaign(campaign, members, self._version(campaign))
        self._updates.begin(changed, self._clock())
        return {"campaignArn": campaign.arn}

    def _update_recommender(self, members: _Members) -> _Members:
        recommender = self._find("recommenderArn", members["recommenderArn"])
        changed = changed_recommender(recommender, members["recommenderConfig"])
        self._updates.begin(changed, self._clock())
        return {"recommenderArn": recommender.arn}

    def _updated(self, arn: str, describe: Callable[[Resource], _Members]) -> tuple[Any, _Members]:
        """Return the latest update's summary, if any, and what it changes of the description."""
        update = self._updates.latest(arn)
        if update is None:
            return None, {}
        now_s = self._clock()
        summary = {
            **describe(update.resource),
            "status": update.status(now_s),
            "creationDateTime": self._unix(update.begun_s),
            "lastUpdatedDateTime": self._unix(update.changed_s(now_s)),
        }
        if now_s < update.active_s:
            return summary, {}
        return summary, {"lastUpdatedDateTime": self._unix(update.active_s)}

    def _find(self, member: str, arn: str) -> Resource:
        try:
            return self._resources.find(member, arn)
        except ServiceFault as fault:
            # Here the model gives the fault no status of its own: 400, as JSON 1.1 services do
            raise ServiceFault(fault.code, 400, fault.message) from fault

    def _provisioned(self, campaign: Resource) -> _Members:
        """Return what a campaign and an update of one are both described with."""
        return {
            "solutionVersionArn": self._version(campaign),
            "minProvisionedTPS": campaign.requests_per_s_min,
            "campaignConfig": campaign_config(campaign),
        }

    def _version(self, campaign: Resource) -> str:
        version = blake2b(campaign.name.encode(), digest_size=4).hexdigest()
        return f"{self._resources.arn_prefix}solution/{campaign.name}/{version}"

    def _filter(self, one: FilterResource) -> _Members:
        names = {"name": one.name, "filterArn": one.arn, "datasetGroupArn": self._group}
        return names | self._status()

    def _unix(self, at_s: float) -> float:
        return round(self._started + at_s - self._started_s, 3)

    def _status(self) -> _Members:
        return {
            "status": "ACTIVE",
            "creationDateTime": self._started,
            "lastUpdatedDateTime": self._started,
        }


def _one_of(known: Mapping[str, _T], member: str, arn: str) -> _T:
    if arn not in known:
        exist = ", ".join(known) or "none"
        message = f"{member} {arn} does not exist; here exist: {exist}"
        raise ServiceFault("ResourceNotFoundException", 400, message)
    return known[arn]


def _page(list_name: str, rows: list[_Members], members: _Members) -> _Members:
    token = members.get("nextToken")
    begin = 0
    if token is not None:
        if not (token.isascii() and token.isdecimal() and 0 < int(token[:9]) < len(rows)):
            raise ServiceFault("InvalidNextTokenException", 400, "nextToken is none of this list's")
        begin = int(token[:9])
    end = begin + members.get("maxResults", _PAGE_MAX)
    return {list_name: rows[begin:end], **({"nextToken": str(end)} if end < len(rows) else {})}
