"""Each documented rule about requests, one case a line."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from worker.emulator.api.answer import Answers
from worker.emulator.data.datasets import load
from worker.emulator.errors import ServiceFault
from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings
from worker.personalize.words import shown

PREFIX = "arn:aws:personalize:us-east-1:000000000000:"
CAMPAIGNS = {
    "user": "aws-user-personalization",
    "ranking": "aws-personalized-ranking",
    "similar": "aws-similar-items",
    "action": "aws-next-best-action",
    "popular": "aws-popularity-count",
    "trending": "aws-trending-now",
}
USE_CASES = {
    "top-picks": "aws-vod-top-picks",
    "more-like": "aws-vod-more-like-x",
    "bought-together": "aws-ecomm-frequently-bought-together",
    "vod-trending": "aws-vod-trending-now",
    "most-popular": "aws-vod-most-popular",
}
FILTER = PREFIX + "filter/unwatched"
LIST = ["i0001", "i0002"]


@pytest.fixture(scope="module")
def answers() -> Answers:
    settings = EmulatorSettings.model_validate(
        {
            "campaigns": [
                {"name": name, "recipe": recipe, "metadata": name in {"user", "ranking"}}
                for name, recipe in CAMPAIGNS.items()
            ],
            "recommenders": [
                {"name": name, "use_case": use_case} for name, use_case in USE_CASES.items()
            ],
        }
    )
    return Answers(settings, load(settings), Resources(settings))


def user(**members: Any) -> dict[str, Any]:
    return {"campaignArn": PREFIX + "campaign/user", "userId": "u0001"} | members


def ranking(**members: Any) -> dict[str, Any]:
    start = {"campaignArn": PREFIX + "campaign/ranking", "userId": "u0001", "inputList": LIST}
    return start | members


def action(**members: Any) -> dict[str, Any]:
    return {"campaignArn": PREFIX + "campaign/action", "userId": "u0001"} | members


def recommender(name: str, **members: Any) -> dict[str, Any]:
    return {"recommenderArn": f"{PREFIX}recommender/{name}"} | members


def campaign(name: str, **members: Any) -> dict[str, Any]:
    return {"campaignArn": f"{PREFIX}campaign/{name}"} | members


def promotion(**members: Any) -> list[dict[str, Any]]:
    return [{"name": "spring", "percentPromotedItems": 20, "filterArn": FILTER} | members]


def ids(count: int) -> list[str]:
    return [f"i{n:04}" for n in range(count)]


def columns(count: int) -> dict[str, list[str]]:
    return {"ITEMS": (["TITLE", "GENRES", "YEAR"] * 4)[:count]}


def call(answers: Answers, request: dict[str, Any]) -> dict[str, Any]:
    """Call the operation that the request's members or campaign belong to."""
    body = orjson.dumps(request)
    if "inputList" in request:
        return dict(orjson.loads(answers.get_personalized_ranking(body)))
    if str(request.get("campaignArn", "")).endswith("/action"):
        return dict(orjson.loads(answers.get_action_recommendations(body)))
    return dict(orjson.loads(answers.get_recommendations(body)))


MODEL = "botocore's model"
API = "API reference"
GUIDE = "developer guide"

ACCEPTED = [
    (MODEL, user(userId="u" * 256)),
    (MODEL, user(context={"DEVICE": "v" * 1000})),
    (GUIDE, user(context={"DEVICE": "phone", "DAYPART": "night"})),
    (GUIDE, ranking(context={"DEVICE": "phone"})),
    (GUIDE, recommender("vod-trending", context={"DEVICE": "phone"})),
    ("choice: names without regard to case", user(context={"Device": "phone"})),
    (MODEL, user(filterValues={f"K_{n}": "v" for n in range(25)})),
    (API, user(numResults=500)),
    (API, user(numResults=50, metadataColumns=columns(10))),
    (API, ranking(inputList=ids(500))),
    (API, ranking(inputList=ids(50), metadataColumns=columns(3))),
    (API, action(numResults=100)),
    (GUIDE, user(itemId="not used")),
    (GUIDE, campaign("similar", itemId="i0001")),
    (GUIDE, campaign("similar", itemId="i0001", userId="u0001")),
    (GUIDE, campaign("popular", userId="u0001")),
    (GUIDE, campaign("trending")),
    (GUIDE, recommender("top-picks", userId="u0001")),
    (GUIDE, recommender("more-like", userId="u0001", itemId="i0001")),
    (GUIDE, recommender("bought-together", itemId="i0001")),
    (GUIDE, recommender("vod-trending")),
    ("choice: unknown members are ignored", user(unknown={"deep": [1]})),
    ("choice: unknown members are ignored", ranking(numResults=-1)),
    ("choice: null is absent", user(itemId=None, numResults=None, filterArn=None)),
    ("choice: no columns, no metadata", user(numResults=51, metadataColumns={"ITEMS": []})),
]

INVALID = [
    # botocore's personalize-runtime model, 2018-05-22
    (MODEL, user(userId="u" * 257), "userId must have at most 256 characters; it has 257"),
    (MODEL, campaign("similar", itemId="i" * 257), "itemId must have at most 256"),
    (MODEL, user(campaignArn="nope"), "campaignArn must match arn:"),
    (MODEL, user(campaignArn="arn:aws:s3:::bucket"), "campaignArn must match"),
    (MODEL, user(campaignArn=PREFIX + "campaign/" + "x" * 256), "at most 256 characters"),
    (MODEL, user(numResults=-1), "numResults must be at least 0; it is -1"),
    (GUIDE, user(context={"WEATHER": "wet"}), "there are: DAYPART, DEVICE"),
    (GUIDE, ranking(context={"WEATHER": "wet"}), "context key 'WEATHER' is no metadata field"),
    (GUIDE, recommender("vod-trending", context={"WEATHER": "wet"}), "context key 'WEATHER'"),
    (GUIDE, user(context={"EVENT_TYPE": "watch"}), "context key 'EVENT_TYPE'"),
    (MODEL, user(context={f"K{n}": "v" for n in range(151)}), "context must have at most 150"),
    (MODEL, user(context={"a-b": "v"}), "a key of context must match"),
    (MODEL, user(context={"K" * 151: "v"}), "a key of context must have at most 150"),
    (MODEL, user(context={"K": "v" * 1001}), "context.K must have at most 1000 characters"),
    (MODEL, user(filterArn="nope"), "filterArn must match"),
    (MODEL, user(filterValues={f"K{n}": "v" for n in range(26)}), "at most 25 entries"),
    (MODEL, user(filterValues={"a-b": "v"}), "a key of filterValues must match"),
    (MODEL, user(filterValues={"K" * 51: "v"}), "a key of filterValues must have at most 50"),
    (MODEL, user(filterValues={"K": "v" * 1001}), "filterValues.K must have at most 1000"),
    (MODEL, user(promotions=promotion() * 2), "promotions must have at most 1 members"),
    (MODEL, user(promotions=promotion(name="")), "name must have at least 1 characters"),
    (MODEL, user(promotions=promotion(name="a" * 64)), "name must have at most 63"),
    (MODEL, user(promotions=promotion(name="-a")), "promotions[0].name must match"),
    (MODEL, user(promotions=promotion(percentPromotedItems=0)), "must be at least 1; it is 0"),
    (MODEL, user(promotions=promotion(percentPromotedItems=101)), "must be at most 100"),
    (MODEL, user(promotions=promotion(filterArn="nope")), "promotions[0].filterArn must match"),
    (MODEL, user(promotions=promotion(filterValues={"a-b": ""})), "a key of promotions[0].filter"),
    (MODEL, user(metadataColumns={"ITEMS": [], "USERS": []}), "at most 1 entries"),
    (MODEL, user(metadataColumns={"ITEMS": ["C" * 151]}), "at most 150 characters"),
    (MODEL, user(metadataColumns={"ITEMS": ["C"] * 100}), "at most 99 members"),
    (MODEL, ranking(campaignArn=None), "the request lacks campaignArn"),
    (MODEL, ranking(userId=None), "the request lacks userId"),
    (MODEL, ranking(inputList=["i" * 257]), "inputList[0] must have at most 256"),
    # API reference, descriptions of the members
    (API, user(numResults=501), "numResults must be at most 500; it is 501"),
    (API, user(numResults=51, metadataColumns=columns(1)), "at most 50 with metadata"),
    (API, ranking(inputList=ids(501)), "inputList must have 1 to 500 items; it has 501"),
    (API, ranking(inputList=ids(51), metadataColumns=columns(1)), "1 to 50 items with metadata"),
    (API, ranking(inputList=[]), "inputList must have 1 to 500 items; it has 0"),
    (API, action(numResults=101), "numResults must be at most 100; it is 101"),
    (API, user(metadataColumns=columns(11)), "at most 10 columns; it names 11"),
    (API, user(metadataColumns={"items": ["TITLE"]}), "must be ITEMS, not 'items'"),
    (API, user(metadataColumns={"ITEMS": ["PRICE"]}), "no column 'PRICE'; it has: TITLE"),
    (API, user(metadataColumns={"ITEMS": ["ITEM_ID"]}), "no column 'ITEM_ID'"),
    (
        API,
        campaign("similar", itemId="i0001", metadataColumns=columns(1)),
        "metadata in recommendations is not enabled",
    ),
    (API, user(recommenderArn=PREFIX + "recommender/top-picks"), "exactly one of"),
    (API, {"userId": "u0001"}, "exactly one of campaignArn and recommenderArn, not neither"),
    (API, campaign("user"), "aws-user-personalization needs userId"),
    (API, user(userId=""), "aws-user-personalization needs userId"),
    (API, ranking(userId=""), "aws-personalized-ranking needs userId"),
    (API, action(userId=None), "aws-next-best-action needs userId"),
    (API, campaign("similar", userId="u0001"), "aws-similar-items needs itemId"),
    (API, campaign("ranking", userId="u0001"), "GetRecommendations is not supported by"),
    (API, ranking(campaignArn=PREFIX + "campaign/user"), "GetPersonalizedRanking is not supported"),
    # developer guide, domain use cases
    (GUIDE, campaign("popular"), "aws-popularity-count needs userId"),
    (GUIDE, recommender("top-picks"), "aws-vod-top-picks needs userId"),
    (GUIDE, recommender("most-popular"), "aws-vod-most-popular needs userId"),
    (GUIDE, recommender("more-like"), "aws-vod-more-like-x needs userId and itemId"),
    (GUIDE, recommender("more-like", itemId="i0001"), "aws-vod-more-like-x needs userId,"),
    (GUIDE, recommender("bought-together", userId="u0001"), "bought-together needs itemId"),
    (GUIDE, user(promotions=[{"name": "spring"}]), "a promotion needs a filterArn"),
    (GUIDE, user(promotions=promotion(name=None)), "a promotion needs a name"),
    (GUIDE, user(promotions=promotion(percentPromotedItems=None)), "needs percentPromotedItems"),
]

NOT_FOUND = [
    (user(campaignArn=PREFIX + "campaign/other"), "campaign/other does not exist"),
    (user(campaignArn=PREFIX + "recommender/top-picks"), "recommender/top-picks does not exist"),
    (user(campaignArn=PREFIX.replace("us-", "eu-") + "campaign/user"), "does not exist"),
    (recommender("other", userId="u0001"), "recommender/other does not exist"),
    (ranking(campaignArn=PREFIX + "campaign/other"), "does not exist; here exist: arn:"),
    (action(filterArn=FILTER), "filter/unwatched does not exist"),
    (user(filterArn=FILTER), "filter/unwatched does not exist"),
    (ranking(filterArn=FILTER), "filter/unwatched does not exist"),
    (user(promotions=promotion()), "filter/unwatched does not exist"),
]

UNREADABLE = [
    (b"{", "is not JSON"),
    (b"\xff{}", "is not JSON"),
    (b'{"userId": "\\ud800"}', "is not JSON"),
    (b"[" * 5000, "is not JSON"),
    (b"[]", "must be an object, not a list"),
    (b'"text"', "must be an object, not a string"),
    (b'{"userId": 5}', "userId must be a string, not a whole number"),
    (b'{"numResults": "5"}', "numResults must be a whole number, not a string"),
    (b'{"numResults": 5.0}', "numResults must be a whole number, not a number with a fraction"),
    (b'{"numResults": true}', "numResults must be a whole number, not a boolean"),
    (b'{"context": []}', "context must be an object, not a list"),
    (b'{"context": {"K": 1}}', "context.K must be a string"),
    (b'{"context": {"K": null}}', "context.K must be a string, not null"),
    (b'{"promotions": {}}', "promotions must be a list, not an object"),
    (b'{"promotions": ["x"]}', "promotions[0] must be an object, not a string"),
    (b'{"metadataColumns": {"ITEMS": "TITLE"}}', "metadataColumns.ITEMS must be a list"),
]


@pytest.mark.parametrize(("source", "request_"), ACCEPTED)
def test_a_request_within_the_rules_is_answered(
    answers: Answers, source: str, request_: dict[str, Any]
) -> None:
    assert call(answers, request_)["recommendationId"], source


@pytest.mark.parametrize(("source", "request_", "says"), INVALID)
def test_a_request_that_breaks_a_rule_is_invalid_input(
    answers: Answers, source: str, request_: dict[str, Any], says: str
) -> None:
    with pytest.raises(ServiceFault) as caught:
        call(answers, request_)
    assert (caught.value.code, caught.value.status) == ("InvalidInputException", 400), source
    assert says in caught.value.message


@pytest.mark.parametrize(("request_", "says"), NOT_FOUND)
def test_what_does_not_exist_is_not_found(
    answers: Answers, request_: dict[str, Any], says: str
) -> None:
    with pytest.raises(ServiceFault) as caught:
        call(answers, request_)
    assert (caught.value.code, caught.value.status) == ("ResourceNotFoundException", 404)
    assert says in caught.value.message


@pytest.mark.parametrize(("body", "says"), UNREADABLE)
def test_a_body_of_the_wrong_form_is_not_serializable(
    answers: Answers, body: bytes, says: str
) -> None:
    with pytest.raises(ServiceFault) as caught:
        answers.get_recommendations(body)
    assert (caught.value.code, caught.value.status) == ("SerializationException", 400)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (
            user(campaignArn=PREFIX + "campaign/other"),
            f"the campaign {PREFIX}campaign/other does not exist;",
        ),
        (user(filterArn=FILTER), f"the filter {FILTER} does not exist;"),
        (campaign("ranking", userId="u0001"), "GetRecommendations is not supported by the recipe"),
    ],
)
def test_what_is_wrong_is_told_where_a_run_hides_names(
    answers: Answers, request_: dict[str, Any], says: str
) -> None:
    with pytest.raises(ServiceFault) as caught:
        answers.get_recommendations(orjson.dumps(request_))
    assert says in shown(caught.value.message)


def test_no_body_is_an_empty_request(answers: Answers) -> None:
    with pytest.raises(ServiceFault, match="exactly one of"):
        answers.get_recommendations(b"")


def test_the_operation_for_actions_is_for_actions_alone(answers: Answers) -> None:
    for request in (user(), ranking()):
        with pytest.raises(ServiceFault, match="GetActionRecommendations is not supported by"):
            answers.get_action_recommendations(orjson.dumps(request))
    with pytest.raises(ServiceFault, match="lacks campaignArn"):
        answers.get_action_recommendations(b'{"userId": "u0001"}')
