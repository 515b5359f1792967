"""Documented rules of requests and errors, one row a rule, over HTTP: just inside, just outside.

Each row names its source. The model is botocore's personalize-runtime, 2018-05-22; its shapes are
named. Rules about one recipe, about filters and about results are in
test_emulator_documented_semantics, what only the wording decides in test_emulator_rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from support.emulator import ARN, client, emulator, filter_arn, post

from worker.emulator.recipes import CAMPAIGN_RECIPES

KEY_50 = "K" * 50
VALUES = [f"V{n}" for n in range(25)]
FILTERS = {
    "all": "INCLUDE ItemID WHERE Items.YEAR > 0",
    "key": f"INCLUDE ItemID WHERE Items.YEAR > ${KEY_50}",
    "many": "INCLUDE ItemID WHERE " + " OR ".join(f"Items.YEAR = ${name}" for name in VALUES),
    "long": "EXCLUDE ItemID WHERE Items.TITLE IN ($T)",
}
REC, RANK, ACT = "/recommendations", "/personalize-ranking", "/action-recommendations"
USER = {"campaignArn": ARN + "campaign/user-personalization", "userId": "u0001"}
ACTIONS = {"campaignArn": ARN + "campaign/next-best-action", "userId": "u0001"}
RANKING = {
    "campaignArn": ARN + "campaign/personalized-ranking",
    "userId": "u0001",
    "inputList": ["i0001", "i0002"],
}
SIMILAR = {"campaignArn": ARN + "campaign/similar-items"}
BASE: dict[str, dict[str, Any]] = {REC: USER, RANK: RANKING, ACT: ACTIONS}
MODEL = "botocore model personalize-runtime 2018-05-22, "
API = "API reference, "


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    campaigns = [
        {"name": name.removeprefix("aws-"), "recipe": name, "metadata": name != "aws-hrnn"}
        for name in CAMPAIGN_RECIPES
    ]
    filters = [{"name": name, "expression": text} for name, text in FILTERS.items()]
    with emulator(campaigns=campaigns, filters=filters, unknown_context="ignore") as found:
        yield found


def ask(address: str, path: str, members: dict[str, Any]) -> Reply:
    status, headers, body = post(address, path, json.dumps(members).encode())
    return Reply(status, headers, json.loads(body))


def names(count: int, prefix: str = "K") -> dict[str, str]:
    return {f"{prefix}{n}": "1" for n in range(count)}


def promoting(filter_name: str = "all", /, **members: Any) -> dict[str, Any]:
    start = {"name": "spring", "percentPromotedItems": 20, "filterArn": filter_arn(filter_name)}
    return {"promotions": [start | members]}


def columns(count: int) -> dict[str, Any]:
    return {"metadataColumns": {"ITEMS": (["TITLE", "YEAR"] * 50)[:count]}}


def arn(length: int, kind: str = "campaign") -> str:
    return f"{ARN}{kind}/".ljust(length, "x")


def rule(
    member: str,
    text: str,
    source: str,
    inside: dict[str, Any],
    outside: dict[str, Any],
    *,
    of: tuple[str, ...] = (REC,),
    status: int = 200,
) -> list[Any]:
    """One row per operation: what is just allowed has `status`, what is not names the member."""
    return [
        pytest.param(
            path, inside, outside, status, member, source, id=f"{path[1:]} {member} {text}"
        )
        for path in of
    ]


BOTH, ALL = (REC, RANK), (REC, RANK, ACT)


def listed(count: int) -> dict[str, Any]:
    return {"inputList": [f"i{n:04}" for n in range(count)]}


def promoted_values(name: str, values: dict[str, str]) -> dict[str, Any]:
    return promoting(name, filterValues=values)


LONG = {"filterArn": filter_arn("long")}
TITLE_1000 = '"' + "t" * 998 + '"'
NO_ARN = {"campaignArn": None, "recommenderArn": arn(256, "recommender")}
LIMITS = [
    # a well-formed ARN of nothing is not found; what is none is invalid
    *rule("campaignArn", "has 256 characters at most", MODEL + "Arn",
          {"campaignArn": arn(256)}, {"campaignArn": arn(257)}, of=ALL, status=404),
    *rule("campaignArn", "names a partition in lower case", MODEL + "Arn",
          {"campaignArn": "arn:aws-cn:personalize:::c"}, {"campaignArn": "arn:AWS:personalize:::c"},
          of=ALL, status=404),
    *rule("campaignArn", "has something behind its last colon", MODEL + "Arn",
          {"campaignArn": "arn:aws:personalize:::x"}, {"campaignArn": "arn:aws:personalize:::"},
          of=ALL, status=404),
    *rule("campaignArn", "is of personalize", MODEL + "Arn",
          {"campaignArn": "arn:a:personalize:r:1:c/x"}, {"campaignArn": "arn:a:s3:r:1:c/x"},
          of=ALL, status=404),
    *rule("recommenderArn", "has 256 characters at most", MODEL + "Arn", NO_ARN,
          NO_ARN | {"recommenderArn": arn(257, "recommender")}, status=404),
    *rule("recommenderArn", "matches the pattern of ARNs", MODEL + "Arn", NO_ARN,
          NO_ARN | {"recommenderArn": "nope"}, status=404),
    *rule("filterArn", "has 256 characters at most", MODEL + "Arn",
          {"filterArn": arn(256, "filter")}, {"filterArn": arn(257, "filter")}, of=ALL, status=404),
    *rule("filterArn", "matches the pattern of ARNs", MODEL + "Arn",
          {"filterArn": "arn:aws:personalize:::f"}, {"filterArn": "f"}, of=ALL, status=404),
    *rule("userId", "has 256 characters at most", MODEL + "UserID",
          {"userId": "u" * 256}, {"userId": "u" * 257}, of=ALL),
    *rule("itemId", "has 256 characters at most", MODEL + "ItemID",
          {"itemId": "i" * 256}, {"itemId": "i" * 257}),
    *rule("inputList", "has IDs of 256 characters at most", MODEL + "InputList",
          {"inputList": ["i" * 256]}, {"inputList": ["i" * 257]}, of=(RANK,)),
    *rule("inputList", "has 500 items at most", "developer guide, Endpoints and quotas",
          listed(500), listed(501), of=(RANK,)),
    *rule("inputList", "has 50 items at most with metadata", API + "metadataColumns",
          listed(50) | columns(1), listed(51) | columns(1), of=(RANK,)),
    *rule("numResults", "is 0 at least", MODEL + "NumResults",
          {"numResults": 0}, {"numResults": -1}, of=(REC, ACT)),
    *rule("numResults", "is 500 at most", API + "GetRecommendations numResults",
          {"numResults": 500}, {"numResults": 501}),
    *rule("numResults", "is 50 at most with metadata", API + "GetRecommendations numResults",
          {"numResults": 50} | columns(1), {"numResults": 51} | columns(1)),
    *rule("numResults", "is 100 at most", API + "GetActionRecommendations numResults",
          {"numResults": 100}, {"numResults": 101}, of=(ACT,)),
    *rule("context", "has 150 keys at most", MODEL + "Context",
          {"context": names(150)}, {"context": names(151)}, of=BOTH),
    *rule("context", "has keys of 150 characters at most", MODEL + "AttributeName",
          {"context": {"K" * 150: "v"}}, {"context": {"K" * 151: "v"}}, of=BOTH),
    *rule("context", "has keys of letters, digits and underscores", MODEL + "AttributeName",
          {"context": {"aZ_09": "v"}}, {"context": {"a-b": "v"}}, of=BOTH),
    *rule("context", "has values of 1000 characters at most", MODEL + "AttributeValue",
          {"context": {"K": "v" * 1000}}, {"context": {"K": "v" * 1001}}, of=BOTH),
    *rule("filterValues", "has 25 entries at most", MODEL + "FilterValues",
          {"filterValues": names(25)}, {"filterValues": names(26)}, of=ALL),
    *rule("filterValues", "has keys of 50 characters at most", MODEL + "FilterAttributeName",
          {"filterValues": {KEY_50: "1"}}, {"filterValues": {KEY_50 + "K": "1"}}, of=ALL),
    *rule("filterValues", "has keys of letters, digits and underscores",
          MODEL + "FilterAttributeName",
          {"filterValues": {"aZ_09": "1"}}, {"filterValues": {"$A": "1"}}, of=ALL),
    *rule("filterValues", "has values of 1000 characters at most", MODEL + "FilterAttributeValue",
          LONG | {"filterValues": {"T": TITLE_1000}},
          LONG | {"filterValues": {"T": TITLE_1000 + " "}}, of=BOTH),
    *rule("promotions", "has one member at most", MODEL + "PromotionList",
          promoting(), {"promotions": promoting()["promotions"] * 2}),
    *rule("promotions[0].name", "has 1 character at least", MODEL + "Name",
          promoting(name="a"), promoting(name="")),
    *rule("promotions[0].name", "has 63 characters at most", MODEL + "Name",
          promoting(name="a" * 63), promoting(name="a" * 64)),
    *rule("promotions[0].name", "begins with a letter or a digit", MODEL + "Name",
          promoting(name="9-_"), promoting(name="_9")),
    *rule("promotions[0].name", "has letters, digits, hyphens and underscores", MODEL + "Name",
          promoting(name="aZ-_09"), promoting(name="a b")),
    *rule("percentPromotedItems", "is 1 at least", MODEL + "PercentPromotedItems",
          promoting(percentPromotedItems=1), promoting(percentPromotedItems=0)),
    *rule("percentPromotedItems", "is 100 at most", MODEL + "PercentPromotedItems",
          promoting(percentPromotedItems=100), promoting(percentPromotedItems=101)),
    *rule("promotions[0].filterArn", "has 256 characters at most", MODEL + "Arn",
          promoting(filterArn=arn(256)), promoting(filterArn=arn(257)), status=404),
    *rule("promotions[0].filterArn", "matches the pattern of ARNs", MODEL + "Arn",
          promoting(filterArn="arn:aws:personalize:::f"), promoting(filterArn="f"), status=404),
    *rule("promotions[0].filterValues", "has 25 entries at most", MODEL + "FilterValues",
          promoted_values("many", names(25, "V")), promoted_values("many", names(26, "V"))),
    *rule("promotions[0].filterValues", "has keys of 50 characters at most",
          MODEL + "FilterAttributeName",
          promoted_values("key", {KEY_50: "1"}), promoted_values("key", {KEY_50 + "K": "1"})),
    *rule("promotions[0].filterValues", "has values of 1000 characters at most",
          MODEL + "FilterAttributeValue",
          promoted_values("long", {"T": TITLE_1000}),
          promoted_values("long", {"T": TITLE_1000 + " "})),
    *rule("metadataColumns", "has one key at most", MODEL + "MetadataColumns",
          columns(1), {"metadataColumns": {"ITEMS": ["YEAR"], "USERS": ["YEAR"]}}, of=BOTH),
    *rule("metadataColumns", "has the key ITEMS", API + "metadataColumns",
          columns(1), {"metadataColumns": {"USERS": ["YEAR"]}}, of=BOTH),
    *rule("metadataColumns", "has 10 columns at most", API + "metadataColumns",
          columns(10), columns(11), of=BOTH),
    *rule("metadata", "is asked for where it is enabled", API + "metadataColumns",
          columns(1), columns(1) | {"campaignArn": ARN + "campaign/hrnn"}),
    *rule("campaignArn", "is given, or recommenderArn", API + "GetRecommendations recommenderArn",
          {}, {"campaignArn": None}),
    *rule("campaignArn", "is required", MODEL + "required", {}, {"campaignArn": None}, of=(RANK,)),
    *rule("userId", "is required", MODEL + "required", {}, {"userId": None}, of=(RANK,)),
    *rule("inputList", "is required", MODEL + "required", {}, {"inputList": None}, of=(RANK,)),
    *rule("itemId", "is required for related items", API + "GetRecommendations itemId",
          SIMILAR | {"itemId": "i0001"}, SIMILAR),
    # member is what the message says
    *rule("is not supported by", "a ranking's campaign", API + "GetPersonalizedRanking campaignArn",
          {}, {"campaignArn": RANKING["campaignArn"]}, of=(REC, ACT)),
    *rule("is not supported by", "a user's campaign", API + "GetPersonalizedRanking campaignArn",
          {}, {"campaignArn": USER["campaignArn"]}, of=(RANK, ACT)),
    *rule("is not supported by", "actions", API + "GetActionRecommendations campaignArn",
          {}, {"campaignArn": ACTIONS["campaignArn"]}, of=BOTH),
]  # fmt: skip

SENT = [
    pytest.param({"userId": "u" * 300}, id="a user ID of 300 characters"),
    pytest.param({"campaignArn": "nope"}, id="an ARN that is none"),
    pytest.param({"numResults": 600}, id="numResults 600"),
    pytest.param(promoting(percentPromotedItems=101), id="a promotion of 101 percent"),
    pytest.param({"promotions": promoting()["promotions"] * 2}, id="two promotions"),
    pytest.param({"userId": ""}, id="an empty user ID"),
    pytest.param({"campaignArn": None, "userId": None}, id="an empty body"),
]

FORMS = [  # sources: the model's operations; numResults of the API reference
    pytest.param(REC, {}, "itemList", 25, id="GetRecommendations has 25 items"),
    pytest.param(RANK, {}, "personalizedRanking", 2, id="GetPersonalizedRanking has inputList"),
    pytest.param(ACT, {}, "actionList", 5, id="GetActionRecommendations has 5 actions"),
    pytest.param(REC, {"numResults": 7}, "itemList", 7, id="GetRecommendations has numResults"),
    pytest.param(ACT, {"numResults": 3}, "actionList", 3, id="GetActionRecommendations, too"),
    pytest.param(RANK, {"numResults": 1}, "personalizedRanking", 2, id="a ranking has all of them"),
]


@pytest.mark.parametrize(("path", "inside", "outside", "status", "member", "source"), LIMITS)
def test_a_limit_is_taken_and_what_is_beyond_it_is_invalid(
    address: str,
    path: str,
    inside: dict[str, Any],
    outside: dict[str, Any],
    status: int,
    member: str,
    source: str,
) -> None:
    taken = ask(address, path, BASE[path] | inside)
    assert taken.status == status, (source, taken.body)
    if status == 404:
        assert taken.headers["x-amzn-errortype"] == "ResourceNotFoundException", source
    refused = ask(address, path, BASE[path] | outside)
    code = refused.headers.get("x-amzn-errortype")
    assert (refused.status, code) == (400, "InvalidInputException"), (source, refused.body)
    assert list(refused.body) == ["message"]
    assert refused.headers["x-amzn-requestid"] != taken.headers["x-amzn-requestid"]
    assert member in refused.body["message"], source


@pytest.mark.parametrize(("path", "members", "key", "count"), FORMS)
def test_an_answer_has_its_list_and_a_recommendation_id(
    address: str, path: str, members: dict[str, Any], key: str, count: int
) -> None:
    status, headers, body = ask(address, path, BASE[path] | members)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert list(body) == [key, "recommendationId"]
    assert len(body[key]) == count
    scores = [each["score"] for each in body[key]]
    assert scores == sorted(scores, reverse=True)
    assert all(round(score, 7) == score for score in scores)  # as captured answers have them
    assert len(body["recommendationId"]) == 40  # PutEvents: RecommendationId
    uuid = r"[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}"
    assert re.fullmatch(uuid, headers["x-amzn-requestid"])


@pytest.mark.parametrize("members", SENT)
def test_what_boto3_sends_unchecked_is_refused_by_the_service(
    address: str, members: dict[str, Any]
) -> None:
    """An SDK checks types, required members and minimums alone: maximums are for the service."""
    runtime = client("personalize-runtime", address)
    given = {name: value for name, value in (USER | members).items() if value is not None}
    with pytest.raises(runtime.exceptions.InvalidInputException) as caught:
        runtime.get_recommendations(**given)
    metadata = caught.value.response["ResponseMetadata"]
    assert metadata["HTTPStatusCode"] == 400
    assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]
