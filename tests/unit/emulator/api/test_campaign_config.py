"""UpdateCampaign's campaignConfig: what it changes, when, and what it cannot.

Source: botocore model personalize, CampaignConfig, CampaignSummary and CampaignUpdateSummary.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.emulator import client, emulator

HOME = "arn:aws:personalize:us-east-1:000000000000:campaign/home"
METADATA = "enableMetadataWithRecommendations"
UPDATE_S = 2.0


@pytest.fixture
def address() -> Iterator[str]:
    home = {"name": "home", "recipe": "aws-user-personalization", "min_provisioned_tps": 400}
    with emulator(campaigns=[home], capacity={"update_s": UPDATE_S}) as url:
        yield url


def described(personalize: Any) -> dict[str, Any]:
    campaign: dict[str, Any] = personalize.describe_campaign(campaignArn=HOME)["campaign"]
    return campaign


def titled(runtime: Any) -> bool:
    """Whether a request for metadata is answered, and not refused."""
    try:
        answer = runtime.get_recommendations(
            campaignArn=HOME, userId="u0001", numResults=1, metadataColumns={"ITEMS": ["TITLE"]}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidInputException":
            raise
        return False
    return bool(answer["itemList"][0]["metadata"]["TITLE"])


def test_metadata_are_enabled_once_the_update_is_active_and_disabled_again(address: str) -> None:
    personalize, runtime = client("personalize", address), client("personalize-runtime", address)
    assert not titled(runtime)
    for wanted in (True, False):
        personalize.update_campaign(campaignArn=HOME, campaignConfig={METADATA: wanted})
        statuses = []
        deadline_s = time.monotonic() + 30
        while "ACTIVE" not in statuses:
            assert time.monotonic() < deadline_s
            before, answered, after = (
                described(personalize),
                titled(runtime),
                described(personalize),
            )
            update = before["latestCampaignUpdate"]
            assert update["campaignConfig"] == {METADATA: wanted}
            statuses.append(update["status"])
            if update["status"] == after["latestCampaignUpdate"]["status"]:
                present = wanted is (update["status"] == "ACTIVE")
                assert answered is present
                assert before["campaignConfig"] == {METADATA: present}
        assert statuses[0] != "ACTIVE"
        assert described(personalize)["minProvisionedTPS"] == 400


def test_what_is_not_given_stays_and_what_asks_for_nothing_is_taken(address: str) -> None:
    personalize = client("personalize", address)
    nothing = {"syncWithLatestSolutionVersion": False, "itemExplorationConfig": {}}
    personalize.update_campaign(
        campaignArn=HOME, minProvisionedTPS=7, campaignConfig={METADATA: True, **nothing}
    )
    wanted = described(personalize)["latestCampaignUpdate"]
    assert (wanted["minProvisionedTPS"], wanted["campaignConfig"]) == (7, {METADATA: True})
    with pytest.raises(ClientError, match="ResourceInUseException"):
        personalize.update_campaign(campaignArn=HOME, campaignConfig={METADATA: False})
    while described(personalize)["latestCampaignUpdate"]["status"] != "ACTIVE":
        pass  # each look is a call; the test's own time limit ends it
    personalize.update_campaign(campaignArn=HOME, minProvisionedTPS=8)
    wanted = described(personalize)["latestCampaignUpdate"]
    assert (wanted["minProvisionedTPS"], wanted["campaignConfig"]) == (8, {METADATA: True})


def test_boto3_configures_exploration_and_the_latest_version(address: str) -> None:
    personalize = client("personalize", address)
    solution = described(personalize)["solutionVersionArn"].rpartition("/")[0]
    config = {
        "itemExplorationConfig": {"explorationWeight": "0.3"},
        "syncWithLatestSolutionVersion": True,
    }
    with pytest.raises(ClientError, match="InvalidInputException"):
        personalize.update_campaign(campaignArn=HOME, campaignConfig=config)
    personalize.update_campaign(
        campaignArn=HOME, solutionVersionArn=f"{solution}/$LATEST", campaignConfig=config
    )
    update = described(personalize)["latestCampaignUpdate"]
    assert update["campaignConfig"] == {METADATA: False, **config}


@pytest.mark.parametrize(
    ("recipe", "returned"),
    [
        ("aws-user-personalization-v2", True),
        ("aws-personalized-ranking-v2", True),
        ("aws-user-personalization", False),
        ("aws-similar-items", False),
    ],
)
def test_new_campaigns_of_version_2_return_metadata_without_being_enabled_for_it(
    recipe: str, returned: bool
) -> None:
    """Source: developer guide, "Item metadata in recommendations"."""
    declared = [
        {"name": "home", "recipe": recipe},
        {"name": "without", "recipe": recipe, "metadata": False},
        {"name": "with", "recipe": recipe, "metadata": True},
    ]
    with emulator(campaigns=declared) as address:
        personalize = client("personalize", address)
        for name, expected in (("home", returned), ("without", False), ("with", True)):
            arn = HOME.replace("home", name)
            config = personalize.describe_campaign(campaignArn=arn)["campaign"]["campaignConfig"]
            assert config == {METADATA: expected}
            assert answers_metadata(address, arn, recipe) is expected


def answers_metadata(address: str, arn: str, recipe: str) -> bool:
    runtime = client("personalize-runtime", address)
    asked: dict[str, Any] = {"campaignArn": arn, "metadataColumns": {"ITEMS": ["TITLE"]}}
    try:
        if "ranking" in recipe:
            found = runtime.get_personalized_ranking(userId="u1", inputList=["i0001"], **asked)
            items = found["personalizedRanking"]
        else:
            found = runtime.get_recommendations(userId="u1", itemId="i0001", **asked)
            items = found["itemList"]
    except runtime.exceptions.InvalidInputException:
        return False
    return bool(items[0]["metadata"]["TITLE"])
