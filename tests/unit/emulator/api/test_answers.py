"""Answers: what each kind of resource says, and that answers don't depend on what came before."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import orjson
import pyarrow as pa
import pytest
from support.emulator import DECLARED

from worker.emulator.api.answer import Answers
from worker.emulator.data.datasets import load
from worker.emulator.resources import Resources

PREFIX = "arn:aws:personalize:us-east-1:000000000000:"


def new_answers() -> Answers:
    return Answers(DECLARED, load(DECLARED), Resources(DECLARED))


@cache
def answers() -> Answers:
    return new_answers()


def recommend(campaign: str = "user", **members: Any) -> list[dict[str, Any]]:
    request = {"campaignArn": f"{PREFIX}campaign/{campaign}"} | members
    items: list[dict[str, Any]] = orjson.loads(
        answers().get_recommendations(orjson.dumps(request))
    )["itemList"]
    return items


def rank(user: str, items: list[str], **members: Any) -> list[dict[str, Any]]:
    request = {"campaignArn": PREFIX + "campaign/ranking", "userId": user, "inputList": items}
    ranked: list[dict[str, Any]] = orjson.loads(
        answers().get_personalized_ranking(orjson.dumps(request | members))
    )["personalizedRanking"]
    return ranked


def act(user: str, **members: Any) -> list[dict[str, Any]]:
    request = {"campaignArn": PREFIX + "campaign/action", "userId": user} | members
    actions: list[dict[str, Any]] = orjson.loads(
        answers().get_action_recommendations(orjson.dumps(request))
    )["actionList"]
    return actions


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["itemId"] for item in items]


def test_a_user_gets_25_items_unless_told_otherwise() -> None:
    assert len(recommend(userId="u0001")) == 25
    assert len(recommend(userId="u0001", numResults=500)) == 500
    assert recommend(userId="u0001", numResults=0) == []


def test_users_differ_and_unknown_users_get_what_is_popular_with_scores() -> None:
    popular = names(recommend("popular", userId="u0001"))
    assert names(recommend(userId="u0001")) != names(recommend(userId="u0002"))
    assert names(recommend(userId="nobody")) == popular
    assert all(item["score"] > 0 for item in recommend(userId="nobody"))


def test_only_user_and_ranking_recipes_send_scores() -> None:
    top_picks = orjson.loads(
        answers().get_recommendations(
            orjson.dumps({"recommenderArn": PREFIX + "recommender/top-picks", "userId": "u0001"})
        )
    )["itemList"]
    assert len(top_picks) == 25
    for items in (
        top_picks,
        recommend("popular", userId="u0001"),
        recommend("similar", itemId="i0001"),
    ):
        assert all(set(item) == {"itemId"} for item in items)


def test_an_item_sent_to_a_user_recipe_is_ignored() -> None:
    assert recommend(userId="u0001", itemId="i0007") == recommend(userId="u0001")


def test_related_items_leave_out_the_item_and_unknown_items_get_what_is_popular() -> None:
    related = names(recommend("similar", itemId="i0001", numResults=500))
    assert len(related) == 500
    assert "i0001" not in related
    popular = names(recommend("popular", userId="u0001"))
    assert names(recommend("similar", itemId="no-such-item")) == popular


def test_unknown_items_of_a_ranking_come_last_in_their_order_with_a_score_of_0() -> None:
    ranked = rank("u0001", ["z-no", "i0001", "a-no", "i0002", "i0003"])
    assert sorted(names(ranked)[:3]) == ["i0001", "i0002", "i0003"]
    assert sum(item["score"] for item in ranked[:3]) == pytest.approx(1.0, abs=1e-6)
    assert ranked[3:] == [{"itemId": "z-no", "score": 0.0}, {"itemId": "a-no", "score": 0.0}]
    assert rank("u0001", ["no"]) == [{"itemId": "no", "score": 0.0}]


def test_an_item_twice_in_a_list_is_ranked_once() -> None:
    twice = ["i0001", "no", "i0002", "i0001", "no"]
    assert rank("u0001", twice) == rank("u0001", ["i0001", "i0002", "no"])


def test_a_ranking_agrees_with_the_recommendations_of_the_same_user() -> None:
    items = names(recommend(userId="u0003", numResults=20))
    assert names(rank("u0003", sorted(items))) == items


def test_an_unknown_user_s_ranking_is_by_popularity() -> None:
    popular = names(recommend("popular", userId="u0001", numResults=10))
    assert names(rank("nobody", popular[::-1])) == popular


def test_metadata_comes_as_strings_under_the_names_that_were_asked_for() -> None:
    wanted = {"ITEMS": ["TITLE", "year"]}
    for items in (
        recommend(userId="u0001", metadataColumns=wanted),
        recommend("similar", itemId="i0001", metadataColumns=wanted),
        rank("u0001", ["i0001", "i0002"], metadataColumns=wanted),
    ):
        for item in items:
            assert set(item["metadata"]) == {"TITLE", "year"}
            assert item["metadata"]["year"].isdecimal()
    assert "metadata" not in recommend(userId="u0001")[0]
    assert "metadata" not in rank("u0001", ["no"], metadataColumns=wanted)[0]


def test_null_cells_are_left_out_of_the_metadata() -> None:
    data = load(DECLARED)
    data.item_columns["TITLE"] = pa.nulls(len(data.item_ids), pa.string())
    body = orjson.dumps(
        {
            "campaignArn": PREFIX + "campaign/user",
            "userId": "u0001",
            "metadataColumns": {"ITEMS": ["TITLE", "YEAR"]},
        }
    )
    answer = orjson.loads(Answers(DECLARED, data, Resources(DECLARED)).get_recommendations(body))
    assert all(set(item["metadata"]) == {"YEAR"} for item in answer["itemList"])


def test_actions_come_best_first_five_unless_told_otherwise() -> None:
    actions = act("u0001")
    scores = [action["score"] for action in actions]
    assert len(actions) == 5
    assert scores == sorted(scores, reverse=True)
    assert act("u0001", numResults=100)[:5] == actions
    assert len(act("u0001", numResults=100)) == 20
    assert act("u0002") == actions  # without action interactions nothing is personal


def test_no_number_is_written_with_an_exponent() -> None:
    request = {"campaignArn": PREFIX + "campaign/user", "userId": "u0001", "numResults": 500}
    body = answers().get_recommendations(orjson.dumps(request))
    assert min(item["score"] for item in orjson.loads(body)["itemList"]) < 1e-3
    assert b"e-" not in body.split(b"recommendationId")[0]


def test_recommendation_ids_have_40_characters_and_are_new_every_time() -> None:
    request = orjson.dumps({"campaignArn": PREFIX + "campaign/user", "userId": "u0001"})
    found = {
        orjson.loads(answers().get_recommendations(request))["recommendationId"] for _ in range(200)
    }
    assert len(found) == 200
    assert all(len(each) == 40 and each.startswith("RID-") for each in found)


def test_answers_do_not_depend_on_the_order_of_calls() -> None:
    requests = [
        orjson.dumps({"campaignArn": f"{PREFIX}campaign/user", "userId": f"u{n:04}"})
        for n in range(1, 60)
    ] + [
        orjson.dumps({"campaignArn": f"{PREFIX}campaign/similar", "itemId": f"i{n:04}"})
        for n in range(1, 60)
    ]
    first, second = new_answers(), new_answers()
    shuffled = random.Random(3).sample(requests, len(requests))
    one = {body: orjson.loads(first.get_recommendations(body))["itemList"] for body in requests}
    two = {body: orjson.loads(second.get_recommendations(body))["itemList"] for body in shuffled}
    assert one == two
