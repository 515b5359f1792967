"""Documented quotas and scaling, one row a rule, in time that the tests set.

Each row names its source. How the emulator scales in between, which nobody documents, is in
test_emulator_capacity; updates of a campaign as boto3 sees them are in test_emulator_control.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import orjson
import pytest
from pydantic import ValidationError

from worker.emulator.api.answer import Answers
from worker.emulator.api.app import Application
from worker.emulator.api.control import TARGET_PREFIX, Control
from worker.emulator.api.updates import Updates
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.conditions.settings import CapacitySettings
from worker.emulator.conditions.weather import Weather
from worker.emulator.data.datasets import load
from worker.emulator.http.message import Request
from worker.emulator.http.signature import Signatures
from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings

PREFIX = "arn:aws:personalize:us-east-1:000000000000:campaign/"
LISTS, RANKINGS, ACTIONS = ["a", "b", "c", "d", "e", "f"], ["r", "s", "t"], ["n", "o"]
BURST_S = 0.01  # seconds of a quota that may come at once: hardly any

QUOTAS = "developer guide, Amazon Personalize endpoints and quotas"
PROVISIONED = "botocore model personalize, CreateCampaign minProvisionedTPS"
CHEAT_SHEET = "AWS samples, Personalize cheat sheet, campaign scaling"


@cache
def settings() -> EmulatorSettings:
    recipes = dict.fromkeys(LISTS, "aws-popularity-count")
    recipes |= dict.fromkeys(RANKINGS, "aws-personalized-ranking")
    recipes |= dict.fromkeys(ACTIONS, "aws-next-best-action")
    return EmulatorSettings.model_validate(
        {"campaigns": [{"name": name, "recipe": each} for name, each in recipes.items()]}
    )


@cache
def answers() -> Answers:
    return Answers(settings(), load(settings()), Resources(settings()))


class World:
    """The application with its clock."""

    def __init__(self, minimum: float, **values: Any) -> None:
        self.now_s = 0.0
        resources = Resources(settings())
        minimums = {each.arn: minimum for each in resources.campaigns}
        self.capacity = Capacity(CapacitySettings(**values), minimums, 0.0)
        updates = Updates(self.capacity, resources)
        self.application = Application(
            answers(),
            Control(resources, updates=updates, clock=lambda: self.now_s),
            signatures=Signatures((), "us-east-1"),
            capacity=self.capacity,
            updates=updates,
            weather=Weather(None, 0.0),
            arns=frozenset(minimums),
            clock=lambda: self.now_s,
        )

    def ask(self, name: str) -> tuple[int, str | None]:
        """Status and error code of one call to a campaign."""
        members: dict[str, Any] = {"campaignArn": PREFIX + name, "userId": "u"}
        path = "/recommendations"
        if name in RANKINGS:
            path, members["inputList"] = "/personalize-ranking", ["i0001"]
        else:
            path = "/action-recommendations" if name in ACTIONS else path
            members["numResults"] = 1
        request = Request(method="POST", target=path, body=orjson.dumps(members))
        answer = self.application.handle(request)[0]
        return answer.status, answer.error

    def control(self, operation: str, **members: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of one call to the control plane."""
        headers = {"x-amz-target": TARGET_PREFIX + operation}
        body = orjson.dumps({"campaignArn": PREFIX + "a"} | members)
        request = Request(method="POST", target="/", headers=headers, body=body)
        answer = self.application.handle(request)[0]
        return answer.status, orjson.loads(answer.content)

    def served(self, names: list[str], *, per_s: int, seconds: float) -> int:
        """Call each campaign evenly from now on; how many calls are served."""
        begun_s, count = self.now_s, 0
        for number in range(round(per_s * seconds)):
            self.now_s = begun_s + number / per_s
            count += sum(self.ask(name)[0] == 200 for name in names)
        self.now_s = begun_s + seconds
        return count


@pytest.mark.parametrize(
    ("names", "per_s", "served_per_s", "source"),
    [
        pytest.param(["a"], 499, 499, QUOTAS, id="GetRecommendations below 500 a second"),
        pytest.param(["a"], 800, 500, QUOTAS, id="GetRecommendations has 500 a second"),
        pytest.param(["r"], 499, 499, QUOTAS, id="GetPersonalizedRanking below 500 a second"),
        pytest.param(["r"], 800, 500, QUOTAS, id="GetPersonalizedRanking has 500 a second"),
        pytest.param(["n"], 499, 499, QUOTAS, id="GetActionRecommendations below 500 a second"),
        pytest.param(["n"], 800, 500, QUOTAS, id="GetActionRecommendations has 500 a second"),
        pytest.param(["a", "b"], 800, 1000, QUOTAS, id="each campaign has its own"),
        pytest.param(LISTS[:5], 499, 2495, QUOTAS, id="an account below 2500 a second"),
        pytest.param(LISTS, 480, 2500, QUOTAS, id="an account has 2500 a second"),
        pytest.param([*LISTS[:3], *RANKINGS], 480, 2500, QUOTAS, id="of both operations together"),
        pytest.param(["a", "b", "r", "s", "n", "o"], 480, 2500, QUOTAS, id="of all three together"),
    ],
)
def test_a_quota_bounds_what_is_served(
    names: list[str], per_s: int, served_per_s: int, source: str
) -> None:
    world = World(minimum=500, burst_s=BURST_S)
    number = world.served(names, per_s=per_s, seconds=1.0)
    burst = served_per_s * BURST_S if served_per_s < per_s * len(names) else 0
    assert number == pytest.approx(served_per_s + burst, abs=len(names) + 1), source


class Load(NamedTuple):
    """Calls a second, for how many seconds."""

    per_s: float
    seconds: float


BUSY = Load(per_s=40, seconds=600)


@pytest.mark.parametrize(
    ("minimum", "loads", "low", "high", "source"),
    [
        pytest.param(1, [], 1, 1, PROVISIONED, id="it begins with the minimum"),
        pytest.param(7, [Load(0, 7200)], 7, 7, PROVISIONED, id="quiet leaves the minimum"),
        pytest.param(7, [Load(3, 3600)], 7, 7, PROVISIONED, id="little load, too"),
        pytest.param(
            10, [Load(40, 290)], 10, 10, CHEAT_SHEET, id="scaling out takes 5 minutes at least"
        ),
        pytest.param(10, [BUSY], 38, 42, CHEAT_SHEET, id="and 10 minutes at most"),
        pytest.param(
            10, [BUSY, Load(0, 7200)], 10, 10, PROVISIONED, id="it scales in to the minimum"
        ),
        pytest.param(10, [BUSY, Load(20, 7200)], 19, 21, PROVISIONED, id="or to what is asked for"),
        pytest.param(100, [Load(700, 700)], 500, 500, QUOTAS, id="a quota bounds scaling out"),
    ],
)
def test_what_is_provisioned_follows_the_load(
    minimum: int, loads: list[Load], low: float, high: float, source: str
) -> None:
    arn, now_s = PREFIX + "a", 0.0
    capacity = Capacity(CapacitySettings(), {arn: minimum}, now_s)
    for load_ in loads:
        for number in range(round(load_.per_s * load_.seconds)):
            capacity.refused(arn, now_s + number / load_.per_s)
        now_s += load_.seconds
        assert capacity.state(now_s)[arn]["provisioned_tps"] >= minimum
    assert low <= capacity.state(now_s)[arn]["provisioned_tps"] <= high, source


def test_there_is_a_buffer_above_the_minimum() -> None:
    """Source: Personalize cheat sheet: a capacity buffer above the minimum exists."""
    world = World(minimum=100, burst_s=BURST_S)
    assert world.served(["a"], per_s=110, seconds=20) == 110 * 20
    assert world.served(["a"], per_s=400, seconds=5) < 400 * 5 / 2  # but it ends


def test_transactions_are_lost_while_the_capacity_is_increased_and_none_afterwards() -> None:
    """Source: botocore model personalize, CreateCampaign: a short time delay, then more."""
    world = World(minimum=1)
    assert world.served(["a"], per_s=10, seconds=300) < 10 * 300 / 2
    world.served(["a"], per_s=10, seconds=300)
    assert world.served(["a"], per_s=10, seconds=60) == 10 * 60


@pytest.mark.parametrize(
    ("values", "status"),
    [
        pytest.param({}, 400, id="400, as the guide's common errors have it"),
        pytest.param({"throttle_status": 429}, 429, id="429, as callers report it"),
    ],
)
def test_a_call_too_many_is_a_throttling_exception(values: dict[str, Any], status: int) -> None:
    world = World(minimum=1, **values)
    replies = [world.ask("a") for _ in range(3)]
    assert replies[0] == (200, None)
    assert replies[-1] == (status, "ThrottlingException")
    assert world.ask("b") == (200, None)  # another campaign has its own capacity


def test_a_raised_minimum_counts_when_its_update_is_active_and_the_campaign_serves_on() -> None:
    """Sources: botocore model personalize, UpdateCampaign, latestCampaignUpdate; AWS samples,
    personalize-monitor: an update takes several minutes, the campaign keeps serving meanwhile."""
    world = World(minimum=1, burst_s=BURST_S)
    assert world.control("UpdateCampaign", minProvisionedTPS=200)[0] == 200
    seen = []
    for seconds in (60, 300):
        seen.append(world.served(["a"], per_s=1, seconds=seconds))
        campaign = world.control("DescribeCampaign")[1]["campaign"]
        seen.append(campaign["latestCampaignUpdate"]["status"] == "ACTIVE")
    assert seen == [60, False, 300, True]
    assert world.served(["a"], per_s=200, seconds=5) == 200 * 5


def test_only_the_minimum_is_told_not_what_is_provisioned() -> None:
    """Source: botocore model personalize, Campaign: no member has the current capacity."""
    world = World(minimum=1)
    world.served(["a"], per_s=5, seconds=700)
    assert world.capacity.state(world.now_s)[PREFIX + "a"]["provisioned_tps"] > 4
    assert world.control("DescribeCampaign")[1]["campaign"]["minProvisionedTPS"] == 1


@pytest.mark.parametrize(
    ("kind", "what", "member"),
    [
        pytest.param(
            "campaigns",
            {"recipe": "aws-sims"},
            "min_provisioned_tps",
            id="TransactionsPerSecond: minProvisionedTPS",
        ),
        pytest.param(
            "recommenders",
            {"use_case": "aws-vod-top-picks"},
            "min_recommendation_requests_per_second",
            id="TransactionsPerSecond: minRecommendationRequestsPerSecond",
        ),
    ],
)
def test_a_minimum_is_a_whole_number_from_1_and_1_by_default(
    kind: str, what: dict[str, str], member: str
) -> None:
    """Source: botocore model personalize, TransactionsPerSecond."""

    def minimum(**values: float) -> int:
        declared = EmulatorSettings.model_validate({kind: [{"name": "x"} | what | values]})
        resources = Resources(declared)
        return (resources.campaigns + resources.recommenders)[0].requests_per_s_min

    assert (minimum(), minimum(**{member: 1}), minimum(**{member: 500})) == (1, 1, 500)
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValidationError):
            minimum(**{member: wrong})
