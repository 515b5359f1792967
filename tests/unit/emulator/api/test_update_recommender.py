"""UpdateRecommender, with boto3: what it changes, when, and what it refuses.

Source: botocore model personalize, UpdateRecommender, RecommenderConfig, RecommenderUpdateSummary.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.emulator import client, emulator, post

PICKS = "arn:aws:personalize:us-east-1:000000000000:recommender/picks"
RATE, METADATA = "minRecommendationRequestsPerSecond", "enableMetadataWithRecommendations"
DECLARED = {"name": "picks", "use_case": "aws-vod-top-picks"}


@pytest.fixture
def address() -> Iterator[str]:
    with emulator(recommenders=[DECLARED], capacity={"update_s": 1e-6}) as found:
        yield found


@pytest.fixture(scope="module")
def untouched() -> Iterator[str]:
    """An emulator that no test updates."""
    with emulator(recommenders=[DECLARED]) as found:
        yield found


def described(address: str) -> dict[str, Any]:
    personalize = client("personalize", address)
    recommender: dict[str, Any] = personalize.describe_recommender(recommenderArn=PICKS)[
        "recommender"
    ]
    return recommender


def update(address: str, **config: Any) -> None:
    personalize = client("personalize", address)
    answer = personalize.update_recommender(recommenderArn=PICKS, recommenderConfig=config)
    assert answer["recommenderArn"] == PICKS


def test_its_rate_and_metadata_are_changed(address: str) -> None:
    assert "latestRecommenderUpdate" not in described(address)
    update(address, **{RATE: 40, METADATA: True})
    recommender = described(address)
    assert recommender["recommenderConfig"] == {RATE: 40, METADATA: True}
    assert recommender["latestRecommenderUpdate"]["status"] == "ACTIVE"
    assert recommender["latestRecommenderUpdate"]["recommenderConfig"] == {RATE: 40, METADATA: True}
    assert recommender["lastUpdatedDateTime"] >= recommender["creationDateTime"]
    stats = json.loads(post(address, "/emulator/stats", method="GET")[2])
    assert stats["capacity"][PICKS]["provisioned_tps"] == 40
    items = client("personalize-runtime", address).get_recommendations(
        recommenderArn=PICKS, userId="u1", metadataColumns={"ITEMS": ["TITLE"]}
    )["itemList"]
    assert items[0]["metadata"]["TITLE"]


def test_what_is_not_given_stays(address: str) -> None:
    exploration = {"explorationWeight": "0.5", "explorationItemAgeCutOff": "14"}
    training = {"excludedDatasetColumns": {"ITEMS": ["YEAR"]}}
    update(address, itemExplorationConfig=exploration, trainingDataConfig=training)
    update(address, **{RATE: 2})
    assert described(address)["recommenderConfig"] == {
        RATE: 2,
        METADATA: False,
        "itemExplorationConfig": exploration,
        "trainingDataConfig": training,
    }


def test_null_is_as_good_as_absent_and_unknown_members_are_ignored_however_deep(
    address: str,
) -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    config = {
        RATE: None,
        METADATA: None,
        "itemExplorationConfig": None,
        "trainingDataConfig": {"excludedDatasetColumns": None, "unknown": deep},
        "unknown": deep,
    }
    body = json.dumps({"recommenderArn": PICKS, "recommenderConfig": config}).encode()
    headers = {"X-Amz-Target": "AmazonPersonalize.UpdateRecommender"}
    assert post(address, "/", body, **headers)[0] == 200
    assert described(address)["recommenderConfig"] == {RATE: 1, METADATA: False}


def test_it_takes_effect_once_it_is_active() -> None:
    with emulator(recommenders=[DECLARED], capacity={"update_s": 3600}) as address:
        update(address, **{RATE: 9})
        recommender = described(address)
        assert recommender["recommenderConfig"][RATE] == 1
        assert recommender["latestRecommenderUpdate"]["recommenderConfig"][RATE] == 9
        assert recommender["latestRecommenderUpdate"]["status"] == "CREATE PENDING"
        with pytest.raises(ClientError, match="ResourceInUseException"):
            update(address, **{RATE: 10})


@pytest.mark.parametrize(
    ("arn", "config", "code"),
    [
        (PICKS + "x", {RATE: 2}, "ResourceNotFoundException"),
        (PICKS, {"itemExplorationConfig": {"explorationWeight": "2"}}, "InvalidInputException"),
        (PICKS, {"itemExplorationConfig": {"weight": "0.3"}}, "InvalidInputException"),
    ],
)
def test_what_cannot_be_is_refused(
    untouched: str, arn: str, config: dict[str, Any], code: str
) -> None:
    personalize = client("personalize", untouched)
    with pytest.raises(ClientError, match=code):
        personalize.update_recommender(recommenderArn=arn, recommenderConfig=config)
    assert "latestRecommenderUpdate" not in described(untouched)
