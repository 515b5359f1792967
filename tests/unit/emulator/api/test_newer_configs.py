"""Members of the control plane that are newer than the pinned SDK, in requests signed by hand.

Source: API reference, UpdateCampaign and CampaignConfig; developer guide, "Automatic campaign
updates".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from support.emulator import client, emulator, post

PREFIX = "arn:aws:personalize:us-east-1:000000000000:"
HOME, ALIKE = PREFIX + "campaign/home", PREFIX + "campaign/alike"
KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "a secret"}
CONFIG = {
    "syncWithLatestSolutionVersion": True,
    "itemExplorationConfig": {"explorationWeight": "0.3", "explorationItemAgeCutOff": "30"},
    "rankingInfluence": {"POPULARITY": 0.5, "FRESHNESS": 1},
}
METADATA = "enableMetadataWithRecommendations"


DECLARED = [
    {"name": "home", "recipe": "aws-user-personalization"},
    {"name": "alike", "recipe": "aws-semantic-similarity"},
]


@pytest.fixture
def address() -> Iterator[str]:
    with emulator(campaigns=DECLARED, credentials=[KEYS]) as found:
        yield found


@pytest.fixture(scope="module")
def untouched() -> Iterator[str]:
    """An emulator that no test updates."""
    with emulator(campaigns=DECLARED, credentials=[KEYS]) as found:
        yield found


def call(address: str, operation: str, **members: Any) -> tuple[int, dict[str, Any]]:
    """Call an operation as an SDK would that knows all members."""
    headers = {
        "X-Amz-Target": f"AmazonPersonalize.{operation}",
        "Content-Type": "application/x-amz-json-1.1",
    }
    body = json.dumps(members).encode()
    request = AWSRequest("POST", address + "/", data=body, headers=headers)
    SigV4Auth(Credentials(*KEYS.values()), "personalize", "us-east-1").add_auth(request)
    status, _, content = post(address, "/", body, **dict(request.headers))
    return status, json.loads(content)


def described(address: str, arn: str = HOME) -> dict[str, Any]:
    status, answer = call(address, "DescribeCampaign", campaignArn=arn)
    assert status == 200
    campaign: dict[str, Any] = answer["campaign"]
    return campaign


def latest(address: str, arn: str = HOME) -> str:
    return f"{described(address, arn)['solutionVersionArn'].rpartition('/')[0]}/$LATEST"


def test_a_campaign_can_follow_the_latest_solution_version(address: str) -> None:
    version = described(address)["solutionVersionArn"]
    asked = {"campaignArn": HOME, "solutionVersionArn": latest(address), "campaignConfig": CONFIG}
    assert call(address, "UpdateCampaign", **asked) == (200, {"campaignArn": HOME})
    campaign = described(address)
    assert campaign["solutionVersionArn"] == version
    assert campaign["campaignConfig"] == {METADATA: False, **CONFIG}
    assert campaign["latestCampaignUpdate"]["campaignConfig"] == {METADATA: False, **CONFIG}


def test_what_is_not_given_stays_and_what_is_switched_off_is_gone(address: str) -> None:
    asked = {"campaignArn": HOME, "solutionVersionArn": latest(address), "campaignConfig": CONFIG}
    call(address, "UpdateCampaign", **asked)
    assert call(address, "UpdateCampaign", campaignArn=HOME, minProvisionedTPS=7)[0] == 200
    assert described(address)["campaignConfig"] == {METADATA: False, **CONFIG}
    version = described(address)["solutionVersionArn"]
    off = {"syncWithLatestSolutionVersion": False, "itemExplorationConfig": {}}
    asked = {"campaignArn": HOME, "solutionVersionArn": version, "campaignConfig": off}
    assert call(address, "UpdateCampaign", **asked)[0] == 200
    wanted = {METADATA: False, "rankingInfluence": CONFIG["rankingInfluence"]}
    assert described(address)["campaignConfig"] == wanted


def test_null_is_as_good_as_absent(address: str) -> None:
    config = dict.fromkeys([*CONFIG, METADATA])
    asked = {"campaignArn": HOME, "solutionVersionArn": None, "campaignConfig": config}
    assert call(address, "UpdateCampaign", **asked)[0] == 200
    assert described(address)["campaignConfig"] == {METADATA: False}


def test_latest_deploys_the_version_there_is_without_following_it(address: str) -> None:
    asked = {"campaignArn": HOME, "solutionVersionArn": latest(address)}
    assert call(address, "UpdateCampaign", **asked)[0] == 200
    assert described(address)["campaignConfig"] == {METADATA: False}


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"syncWithLatestSolutionVersion": True}, "InvalidInputException"),
        ({"rankingInfluence": {"POPULARITY": 1.1}}, "InvalidInputException"),
        ({"rankingInfluence": {"POPULARITY": -0.1}}, "InvalidInputException"),
        ({"rankingInfluence": {"NOVELTY": 0.5}}, "InvalidInputException"),
        ({"rankingInfluence": {"POPULARITY": "0.5"}}, "SerializationException"),
        ({"rankingInfluence": {"POPULARITY": True}}, "SerializationException"),
        ({"rankingInfluence": [0.5]}, "SerializationException"),
        ({"itemExplorationConfig": {"explorationWeight": "1.1"}}, "InvalidInputException"),
        ({"itemExplorationConfig": {"explorationWeight": "much"}}, "InvalidInputException"),
        ({"itemExplorationConfig": {"explorationItemAgeCutOff": "-1"}}, "InvalidInputException"),
        ({"itemExplorationConfig": {"other": "1"}}, "InvalidInputException"),
    ],
)
def test_what_breaks_the_documented_form_is_refused(
    untouched: str, config: dict[str, Any], code: str
) -> None:
    status, answer = call(untouched, "UpdateCampaign", campaignArn=HOME, campaignConfig=config)
    assert (status, answer["__type"]) == (400, code)
    assert "latestCampaignUpdate" not in described(untouched)


def test_another_solution_s_latest_version_does_not_exist(untouched: str) -> None:
    asked = {"campaignArn": HOME, "solutionVersionArn": latest(untouched, ALIKE)}
    status, answer = call(untouched, "UpdateCampaign", **asked)
    assert (status, answer["__type"]) == (400, "ResourceNotFoundException")


def test_a_campaign_that_follows_the_latest_version_takes_no_other(address: str) -> None:
    asked = {"campaignArn": HOME, "solutionVersionArn": latest(address), "campaignConfig": CONFIG}
    call(address, "UpdateCampaign", **asked)
    version = described(address)["solutionVersionArn"]
    status, answer = call(address, "UpdateCampaign", campaignArn=HOME, solutionVersionArn=version)
    assert (status, answer["__type"]) == (400, "InvalidInputException")


def test_ranking_influence_moves_what_is_popular_up(address: str) -> None:
    runtime = client(
        "personalize-runtime", address, keys=(KEYS["access_key_id"], KEYS["secret_access_key"])
    )

    def first() -> str:
        found = runtime.get_recommendations(campaignArn=ALIKE, itemId="i0001", numResults=1)
        return str(found["itemList"][0]["itemId"])

    before = first()
    config = {"rankingInfluence": {"POPULARITY": 1.0}}
    assert call(address, "UpdateCampaign", campaignArn=ALIKE, campaignConfig=config)[0] == 200
    after = first()
    assert after != before
    assert described(address, ALIKE)["campaignConfig"] == {METADATA: True, **config}
