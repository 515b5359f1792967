"""The wire over a real socket: boto3 as the client, raw HTTP where boto3 is too polite."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from support.emulator import client, emulator, post

from worker.emulator.http.message import BODY_BYTES_MAX

ARN = "arn:aws:personalize:us-east-1:000000000000:"
USER = ARN + "campaign/user-personalization"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with emulator() as found:
        yield found


def test_boto3_gets_recommendations(address: str) -> None:
    runtime = client("personalize-runtime", address)
    answer = runtime.get_recommendations(
        campaignArn=USER,
        userId="u0001",
        numResults=7,
        context={"DEVICE": "phone"},
        metadataColumns={"ITEMS": ["TITLE", "GENRES"]},
    )
    assert len(answer["itemList"]) == 7
    assert isinstance(answer["itemList"][0]["score"], float)
    assert set(answer["itemList"][0]["metadata"]) == {"TITLE", "GENRES"}
    assert len(answer["recommendationId"]) == 40
    assert len(answer["ResponseMetadata"]["RequestId"]) == 36


def test_boto3_gets_rankings_related_items_and_actions(address: str) -> None:
    runtime = client("personalize-runtime", address)
    ranking = runtime.get_personalized_ranking(
        campaignArn=ARN + "campaign/personalized-ranking",
        userId="u0001",
        inputList=["i0001", "no-such-item", "i0002"],
    )["personalizedRanking"]
    assert ranking[-1] == {"itemId": "no-such-item", "score": 0.0}
    related = runtime.get_recommendations(
        campaignArn=ARN + "campaign/similar-items", itemId="i0001"
    )["itemList"]
    assert all(set(item) == {"itemId"} for item in related)
    actions = runtime.get_action_recommendations(
        campaignArn=ARN + "campaign/next-best-action", userId="u0001"
    )["actionList"]
    assert len(actions) == 5


def test_boto3_raises_its_own_exception_classes(address: str) -> None:
    runtime = client("personalize-runtime", address)
    with pytest.raises(runtime.exceptions.InvalidInputException, match="at most 500"):
        runtime.get_recommendations(campaignArn=USER, userId="u", numResults=501)
    with pytest.raises(runtime.exceptions.ResourceNotFoundException) as caught:
        runtime.get_recommendations(campaignArn=ARN + "campaign/other", userId="u")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_boto3_learns_a_campaign_s_rate() -> None:
    declared = {
        "campaigns": [{"name": "home", "recipe": "aws-hrnn", "min_provisioned_tps": 50}],
        "recommenders": [
            {
                "name": "picks",
                "use_case": "aws-vod-top-picks",
                "min_recommendation_requests_per_second": 7,
                "metadata": True,
            }
        ],
    }
    with emulator(**declared) as address:
        control = client("personalize", address)
        campaign = control.describe_campaign(campaignArn=ARN + "campaign/home")["campaign"]
        assert (campaign["minProvisionedTPS"], campaign["status"]) == (50, "ACTIVE")
        assert campaign["campaignConfig"] == {"enableMetadataWithRecommendations": False}
        assert campaign["creationDateTime"].year >= 2025
        recommender = control.describe_recommender(recommenderArn=ARN + "recommender/picks")
        assert recommender["recommender"]["recommenderConfig"] == {
            "minRecommendationRequestsPerSecond": 7,
            "enableMetadataWithRecommendations": True,
        }
        with pytest.raises(control.exceptions.ResourceNotFoundException):
            control.describe_campaign(campaignArn=ARN + "campaign/other")
        with pytest.raises(ClientError, match="UnknownOperationException"):
            control.list_solutions()


def test_boto3_is_told_a_recipe_s_type_and_how_long_a_version_took(address: str) -> None:
    control = client("personalize", address)
    campaign = control.describe_campaign(campaignArn=ARN + "campaign/next-best-action")["campaign"]
    version = control.describe_solution_version(solutionVersionArn=campaign["solutionVersionArn"])
    told = version["solutionVersion"]
    assert (told["name"], told["trainingHours"]) == ("next-best-action", 1.0)
    recipe = control.describe_recipe(recipeArn=told["recipeArn"])["recipe"]
    assert recipe["recipeType"] == "PERSONALIZED_ACTIONS"


def test_boto3_is_refused_promotions_with_a_recipe_that_supports_none() -> None:
    every = {"name": "every", "expression": "EXCLUDE ItemID WHERE Items.YEAR < 0"}
    arn = ARN + "filter/every"
    promoted = [{"name": "spring", "percentPromotedItems": 20, "filterArn": arn}]
    with emulator(filters=[every]) as address:
        runtime = client("personalize-runtime", address)
        items = runtime.get_recommendations(campaignArn=USER, userId="u", promotions=promoted)
        assert sum("promotionName" in item for item in items["itemList"]) == 5
        with pytest.raises(runtime.exceptions.InvalidInputException, match="promotions"):
            runtime.get_recommendations(
                campaignArn=ARN + "campaign/hrnn", userId="u", promotions=promoted
            )


def test_boto3_gets_items_with_texts_alike(address: str) -> None:
    titled = {"ITEMS": ["TITLE"]}
    found = client("personalize-runtime", address).get_recommendations(
        campaignArn=ARN + "campaign/semantic-similarity", itemId="i0001", metadataColumns=titled
    )["itemList"]
    assert len(found) == 25
    assert all(set(item) == {"itemId", "metadata"} for item in found)


def test_two_servers_on_the_same_data_give_the_same_answers(address: str) -> None:
    def answers(runtime: Any, users: range) -> dict[int, Any]:
        return {
            n: runtime.get_recommendations(campaignArn=USER, userId=f"u{n:04}")["itemList"]
            for n in users
        }

    with emulator() as other:
        one = answers(client("personalize-runtime", address), range(1, 30))
        two = answers(client("personalize-runtime", other), range(29, 0, -1))
    assert one == two


def test_own_data_are_served(tmp_path: Path) -> None:
    table = pa.table(
        {"USER_ID": [1, 1, 2, 2], "ITEM_ID": ["a", "b", "a", "c"], "TIMESTAMP": [1, 2, 3, 4]}
    )
    pq.write_table(table, tmp_path / "interactions.parquet")
    with emulator(interactions=str(tmp_path / "interactions.parquet")) as address:
        items = client("personalize-runtime", address).get_recommendations(
            campaignArn=USER, userId="1"
        )["itemList"]
    assert sorted(item["itemId"] for item in items) == ["a", "b", "c"]
    assert items[0]["itemId"] == "c"


def test_an_answer_has_the_service_s_headers(address: str) -> None:
    body = json.dumps({"campaignArn": USER, "userId": "u0001"}).encode()
    status, headers, content = post(address, "/recommendations", body)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert re.fullmatch(r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}", headers["x-amzn-requestid"])
    assert list(json.loads(content)) == ["itemList", "recommendationId"]


def test_a_refusal_has_its_code_in_a_header_and_its_message_in_the_body(address: str) -> None:
    status, headers, content = post(address, "/recommendations", b"{")
    assert (status, headers["x-amzn-errortype"]) == (400, "SerializationException")
    assert len(headers["x-amzn-requestid"]) == 36
    assert list(json.loads(content)) == ["message"]


def test_the_control_plane_has_the_code_in_the_body_too(address: str) -> None:
    status, headers, content = post(address, "/", b"{}")
    assert (status, headers["content-type"]) == (404, "application/x-amz-json-1.1")
    assert json.loads(content)["__type"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("path", "status"), [("/recommendations", 200), ("/recommendations?a=/", 200), ("", 404)]
)
def test_an_absolute_target_is_answered_as_its_path(address: str, path: str, status: int) -> None:
    """RFC 9112, 3.2.2: servers must accept it, though only proxies get it as a rule."""
    body = json.dumps({"campaignArn": USER, "userId": "u0001"}).encode()
    assert post(address, address + path, body)[0] == status


def test_an_absolute_target_is_signed_as_its_path_and_its_authority() -> None:
    keys = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "a secret"}
    with emulator(credentials=[keys]) as address:
        body = json.dumps({"campaignArn": USER, "userId": "u0001"}).encode()
        request = AWSRequest("POST", f"{address}/recommendations", data=body)
        SigV4Auth(Credentials(*keys.values()), "personalize", "us-east-1").add_auth(request)
        for target, status in (
            ("/recommendations", 200),
            (f"{address}/recommendations", 200),
            (f"{address}/recommendations?X-Amz-Expires=9", 403),
            ("http://other.example/recommendations", 403),
        ):
            assert post(address, target, body, **dict(request.headers))[0] == status
        assert post(address, "/recommendations?X-Amz-Signature=0", body)[0] == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/recommendations"),
        ("POST", "/recommendation"),
        ("POST", "/personalized-ranking"),
        ("PUT", "/personalize-ranking"),
        ("GET", "/"),
    ],
)
def test_another_method_or_path_is_an_unknown_operation(
    address: str, method: str, path: str
) -> None:
    status, headers, content = post(address, path, b"{}", method=method)
    assert (status, headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    assert path in json.loads(content)["message"]


def test_a_body_that_is_too_long_is_refused(address: str) -> None:
    body = b" " * (BODY_BYTES_MAX + 1)
    status, headers, _ = post(address, "/recommendations", body)
    assert (status, headers["x-amzn-errortype"]) == (413, "RequestEntityTooLargeException")
