"""The control plane, and the emulator's conditions seen through boto3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from support.emulator import client, emulator, post

from worker.emulator.api.control import TARGET_PREFIX, Control
from worker.emulator.api.updates import Updates
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.conditions.settings import CapacitySettings
from worker.emulator.errors import ServiceFault
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES
from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings

PREFIX = "arn:aws:personalize:us-east-1:000000000000:"
HOME = PREFIX + "campaign/home"
NAMES = ["home", "second", "third"]
FILTERS = {
    "unwatched": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
    "new": "INCLUDE ItemID WHERE Items.YEAR >= 2000",
}
SETTINGS = EmulatorSettings.model_validate(
    {
        "campaigns": [
            {"name": name, "recipe": "aws-hrnn", "min_provisioned_tps": 5} for name in NAMES
        ],
        "filters": [{"name": name, "expression": text} for name, text in FILTERS.items()],
    }
)


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def control(clock: Clock, capacity: CapacitySettings | None = None) -> Control:
    resources = Resources(SETTINGS)
    limited = Capacity(capacity, {each.arn: 5 for each in resources.campaigns}, clock())
    return Control(resources, updates=Updates(limited, resources), clock=clock)


def call(asked: Control, operation: str, **members: Any) -> dict[str, Any]:
    """Call an operation; its answer has members only that botocore's model knows."""
    answer = json.loads(asked.answer(TARGET_PREFIX + operation, orjson.dumps(members)))
    model = ServiceModel(Loader().load_service_model("personalize", "service-2"), "personalize")
    check(answer, model.operation_model(operation).output_shape)
    return dict(answer)


def check(value: Any, shape: Any) -> None:
    if shape.type_name == "structure":
        assert set(value) <= set(shape.members)
        for name, member in value.items():
            check(member, shape.members[name])
    elif shape.type_name == "list":
        for member in value:
            check(member, shape.member)
    else:
        numbers = {"integer": int, "double": float, "timestamp": float}
        kinds = {"string": str, "boolean": bool, **numbers}
        assert type(value) is kinds[shape.type_name]


def refusal(asked: Control, operation: str, **members: Any) -> str:
    with pytest.raises(ServiceFault) as caught:
        call(asked, operation, **members)
    assert caught.value.status == 400
    return caught.value.code


def test_a_campaign_leads_to_its_solution_version_solution_and_recipe() -> None:
    asked = control(Clock())
    campaign = call(asked, "DescribeCampaign", campaignArn=HOME)["campaign"]
    version_arn = campaign["solutionVersionArn"]
    version = call(asked, "DescribeSolutionVersion", solutionVersionArn=version_arn)
    solution_arn = version["solutionVersion"]["solutionArn"]
    assert version["solutionVersion"]["name"] == "home"
    assert version["solutionVersion"]["trainingHours"] > 0
    solution = call(asked, "DescribeSolution", solutionArn=solution_arn)["solution"]
    assert solution["latestSolutionVersion"]["solutionVersionArn"] == version_arn
    recipe = call(asked, "DescribeRecipe", recipeArn=solution["recipeArn"])["recipe"]
    assert (recipe["name"], recipe["recipeType"]) == ("aws-hrnn", "USER_PERSONALIZATION")
    listed = call(asked, "ListCampaigns", solutionArn=solution_arn)["campaigns"]
    assert [each["campaignArn"] for each in listed] == [HOME]


def test_every_recipe_and_use_case_is_described() -> None:
    asked = control(Clock())
    for recipe in (*CAMPAIGN_RECIPES.values(), *USE_CASES.values()):
        assert call(asked, "DescribeRecipe", recipeArn=recipe.arn)["recipe"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [
        ("aws-next-best-action", "PERSONALIZED_ACTIONS"),
        ("aws-similar-items", "RELATED_ITEMS"),
        ("aws-semantic-similarity", "RELATED_ITEMS"),
        ("aws-trending-now", "POPULAR_ITEMS"),
        ("aws-popularity-count", "USER_PERSONALIZATION"),
        ("aws-personalized-ranking-v2", "PERSONALIZED_RANKING"),
        ("aws-user-personalization-v2", "USER_PERSONALIZATION"),
    ],
)
def test_a_recipe_has_the_type_that_its_page_tells(recipe: str, kind: str) -> None:
    arn = f"arn:aws:personalize:::recipe/{recipe}"
    described = call(control(Clock()), "DescribeRecipe", recipeArn=arn)["recipe"]
    assert described["recipeType"] == kind


def test_filters_are_described_and_listed() -> None:
    asked = control(Clock())
    found = call(asked, "DescribeFilter", filterArn=PREFIX + "filter/unwatched")["filter"]
    assert found["filterExpression"] == FILTERS["unwatched"]
    listed = call(asked, "ListFilters", datasetGroupArn=found["datasetGroupArn"])["Filters"]
    assert [each["name"] for each in listed] == list(FILTERS)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_pages_put_together_are_the_list(size: int) -> None:
    asked = control(Clock())
    names: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = call(asked, "ListCampaigns", maxResults=size, **more)
        names += [each["name"] for each in page["campaigns"]]
        assert len(page["campaigns"]) <= size
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert names == NAMES


@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("DescribeFilter", {"filterArn": PREFIX + "filter/other"}, "ResourceNotFoundException"),
        ("DescribeFilter", {}, "InvalidInputException"),
        ("DescribeSolution", {"solutionArn": HOME}, "ResourceNotFoundException"),
        ("DescribeSolutionVersion", {"solutionVersionArn": HOME}, "ResourceNotFoundException"),
        ("DescribeRecipe", {"recipeArn": HOME}, "ResourceNotFoundException"),
        ("ListFilters", {"datasetGroupArn": HOME}, "ResourceNotFoundException"),
        ("ListCampaigns", {"solutionArn": HOME}, "ResourceNotFoundException"),
        ("ListCampaigns", {"nextToken": "x"}, "InvalidNextTokenException"),
        ("ListCampaigns", {"nextToken": "3"}, "InvalidNextTokenException"),
        ("ListCampaigns", {"nextToken": "9" * 1000}, "InvalidNextTokenException"),
        ("ListCampaigns", {"nextToken": "\u0663"}, "InvalidInputException"),
        ("ListCampaigns", {"maxResults": 101}, "InvalidInputException"),
        ("UpdateCampaign", {"campaignArn": HOME + "x"}, "ResourceNotFoundException"),
        ("UpdateCampaign", {"campaignArn": HOME, "minProvisionedTPS": 0}, "InvalidInputException"),
        (
            "UpdateCampaign",
            {"campaignArn": HOME, "solutionVersionArn": HOME},
            "ResourceNotFoundException",
        ),
        (
            "UpdateCampaign",
            {"campaignArn": HOME, "campaignConfig": {"enableMetadataWithRecommendations": 1}},
            "SerializationException",
        ),
    ],
)
def test_what_cannot_be_told_is_refused(operation: str, members: dict[str, Any], code: str) -> None:
    assert refusal(control(Clock()), operation, **members) == code


def test_an_update_goes_through_its_states_and_then_counts() -> None:
    clock = Clock()
    asked = control(clock, CapacitySettings(update_s=300, time_factor=60))  # 5 s

    def described() -> dict[str, Any]:
        return dict(call(asked, "DescribeCampaign", campaignArn=HOME)["campaign"])

    assert "latestCampaignUpdate" not in described()
    assert call(asked, "UpdateCampaign", campaignArn=HOME, minProvisionedTPS=50) == {
        "campaignArn": HOME
    }
    seen = []
    for clock.now_s in (1000.0, 1000.6, 1004.9):
        campaign = described()
        update = campaign["latestCampaignUpdate"]
        assert (campaign["status"], campaign["minProvisionedTPS"]) == ("ACTIVE", 5)
        assert update["minProvisionedTPS"] == 50
        seen.append(update["status"])
        code = refusal(asked, "UpdateCampaign", campaignArn=HOME, minProvisionedTPS=9)
        assert code == "ResourceInUseException"
    assert seen == ["CREATE PENDING", "CREATE IN_PROGRESS", "CREATE IN_PROGRESS"]
    clock.now_s = 1005.1
    campaign = described()
    assert campaign["minProvisionedTPS"] == 50
    assert campaign["latestCampaignUpdate"]["status"] == "ACTIVE"
    assert campaign["lastUpdatedDateTime"] > campaign["creationDateTime"]
    call(asked, "UpdateCampaign", campaignArn=HOME, minProvisionedTPS=1)


def test_without_capacity_an_update_takes_no_time() -> None:
    asked = control(Clock())
    call(asked, "UpdateCampaign", campaignArn=HOME, minProvisionedTPS=50)
    campaign = call(asked, "DescribeCampaign", campaignArn=HOME)["campaign"]
    assert campaign["minProvisionedTPS"] == 50
    assert campaign["latestCampaignUpdate"]["status"] == "ACTIVE"


@pytest.fixture(scope="module")
def limited() -> Iterator[str]:
    settings = {
        "campaigns": [{"name": "home", "recipe": "aws-hrnn"}],
        "capacity": {"throttle_status": 429, "update_s": 1e-6},
        "credentials": [
            {"access_key_id": "ALL", "secret_access_key": "secret"},
            {"access_key_id": "RUN", "secret_access_key": "s", "allow": ["GetRecommendations"]},
        ],
    }
    with emulator(**settings) as address:
        yield address


def get(address: str, keys: tuple[str, str]) -> Any:
    runtime = client("personalize-runtime", address, keys=keys)
    return runtime.get_recommendations(campaignArn=HOME, userId="u0001")


def get_often(address: str) -> None:
    for _ in range(100):
        get(address, ("ALL", "secret"))


def test_boto3_is_throttled_until_the_minimum_is_raised(limited: str) -> None:
    with pytest.raises(ClientError) as caught:
        get_often(limited)  # one a second, and the buffer, are served
    response = caught.value.response
    assert response["Error"]["Code"] == "ThrottlingException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    personalize = client("personalize", limited, keys=("ALL", "secret"))
    personalize.update_campaign(campaignArn=HOME, minProvisionedTPS=500)
    campaign = personalize.describe_campaign(campaignArn=HOME)["campaign"]
    assert campaign["latestCampaignUpdate"]["status"] == "ACTIVE"
    assert personalize.list_campaigns()["campaigns"][0]["campaignArn"] == HOME
    stats = json.loads(post(limited, "/emulator/stats", method="GET")[2])
    assert stats["totals"][HOME]["throttled"] >= 1
    assert stats["totals"][HOME]["served"] >= 1
    assert stats["capacity"][HOME]["provisioned_tps"] == 500
    assert sum(each["resources"][HOME]["throttled"] for each in stats["seconds"]) >= 1


@pytest.mark.parametrize(
    ("keys", "code", "status"),
    [
        (("ALL", "wrong"), "InvalidSignatureException", 403),
        (("OTHER", "secret"), "UnrecognizedClientException", 403),
    ],
)
def test_boto3_sees_wrong_keys(limited: str, keys: tuple[str, str], code: str, status: int) -> None:
    with pytest.raises(ClientError) as caught:
        get(limited, keys)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    with pytest.raises(ClientError, match=code):
        client("personalize", limited, keys=keys).list_filters()


def test_boto3_sees_an_operation_that_its_keys_are_not_allowed(limited: str) -> None:
    with pytest.raises(ClientError, match="AccessDeniedException"):
        client("personalize", limited, keys=("RUN", "s")).describe_campaign(campaignArn=HOME)


def test_requests_without_a_signature_are_refused(limited: str) -> None:
    status, headers, _ = post(limited, "/recommendations", b"{}")
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationToken")
    status, headers, content = post(limited, "/", b"{}")
    assert (status, json.loads(content)["__type"]) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize("seconds", ["-1", "x", "601", "9" * 50, "\u0663".encode().hex()])
def test_statistics_of_a_wrong_number_of_seconds_are_refused(limited: str, seconds: str) -> None:
    status, _, _ = post(limited, f"/emulator/stats?seconds={seconds}", method="GET")
    assert status == 400


def test_other_paths_of_its_own_are_unknown(limited: str) -> None:
    status, headers, _ = post(limited, "/emulator/other", method="GET")
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
