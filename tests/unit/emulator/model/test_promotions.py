"""Promotions: how many, which, where, and what they carry.

Source: developer guide, "Promoting items in real-time recommendations".
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulator import Emulated, filter_arn, ids, promotion

from worker.emulator.errors import ServiceFault
from worker.emulator.model.choose import promoted_count
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES, Kind

FILTERS = {
    "sixties": "INCLUDE ItemID WHERE Items.YEAR < 1970",
    "since": "INCLUDE ItemID WHERE Items.YEAR >= $YEAR",
    "nothing": "INCLUDE ItemID WHERE Items.YEAR > 3000",
    "unwatched": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
}
# Guide, "Promoting items": use cases and recipes that support promotions
LISTS = [
    "user-personalization-v2",
    "user-personalization",
    "similar-items",
    "sims",
    "trending-now",
    "popularity-count",
    *(name.removeprefix("aws-") for name in USE_CASES),
]
OTHERS = [
    name
    for name, recipe in CAMPAIGN_RECIPES.items()
    if recipe.kind in {Kind.USER, Kind.ITEM, Kind.POPULAR}
    and name.removeprefix("aws-") not in LISTS
]
BOTH = {"userId": "u0001", "itemId": "i0001"}


@cache
def made_up() -> Emulated:
    return Emulated(filters=FILTERS)


def year(item: str) -> int:
    row = made_up().data.item_ids.index(item)
    return int(made_up().data.item_columns["YEAR"][row].as_py())


def promoted(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if "promotionName" in item]


@pytest.mark.parametrize("name", OTHERS)
def test_a_recipe_that_the_guide_does_not_list_refuses_promotions(name: str) -> None:
    with pytest.raises(ServiceFault, match=name) as caught:
        made_up().items(name.removeprefix("aws-"), **BOTH, promotions=promotion(20, "sixties"))
    assert (caught.value.code, caught.value.status) == ("InvalidInputException", 400)


@pytest.mark.parametrize("name", LISTS)
def test_the_recipes_and_use_cases_that_the_guide_lists_promote(name: str) -> None:
    items = made_up().items(name, **BOTH, promotions=promotion(20, "sixties"))
    assert len(set(ids(items))) == 25
    assert [item["promotionName"] for item in promoted(items)] == ["spring"] * 5
    assert all(year(item["itemId"]) < 1970 for item in promoted(items))


@pytest.mark.parametrize("name", LISTS)
def test_promoted_items_and_the_rest_are_each_in_their_order(name: str) -> None:
    members: dict[str, Any] = {**BOTH, "numResults": 100}
    order = ids(made_up().items(name, **BOTH, numResults=500))
    items = made_up().items(name, **members, promotions=promotion(30, "unwatched"))
    for kind in (promoted(items), [item for item in items if "promotionName" not in item]):
        if any("reason" in item and item["reason"] == ["Exploration"] for item in kind):
            continue  # explored items come last, whatever their place in another list
        places = [order.index(item) for item in ids(kind) if item in order]
        assert places == sorted(places)


@pytest.mark.parametrize(
    ("percent", "results", "count"),
    [(20, 25, 5), (10, 25, 2), (1, 25, 1), (99, 25, 24), (100, 25, 25), (50, 1, 1), (50, 0, 0)],
)
def test_the_count_is_rounded_down_but_one_at_least(percent: int, results: int, count: int) -> None:
    assert promoted_count(percent, results) == count
    items = made_up().items(
        "user-personalization",
        userId="u0001",
        numResults=results,
        promotions=promotion(percent, "sixties"),
    )
    assert (len(items), len(promoted(items))) == (results, count)


def test_with_fewer_matches_as_many_as_possible_are_promoted() -> None:
    members: dict[str, Any] = {"userId": "u0001", "promotions": promotion(50, "nothing")}
    items = made_up().items("user-personalization", **members)
    assert items == made_up().items("user-personalization", userId="u0001")


def test_the_request_s_filter_is_for_the_rest_alone() -> None:
    items = made_up().items(
        "user-personalization",
        userId="u0001",
        filterArn=filter_arn("since"),
        filterValues={"YEAR": "2000"},
        promotions=promotion(20, "sixties"),
    )
    years = {item["itemId"]: year(item["itemId"]) for item in items}
    assert len(promoted(items)) == 5
    for item in items:
        assert (years[item["itemId"]] < 1970) == ("promotionName" in item)
        assert (years[item["itemId"]] >= 2000) == ("promotionName" not in item)


def test_a_promotion_has_filter_values_of_its_own() -> None:
    items = made_up().items(
        "user-personalization",
        userId="u0001",
        filterArn=filter_arn("since"),
        filterValues={"YEAR": "1990"},
        promotions=promotion(40, "since", filterValues={"YEAR": "2020"}),
    )
    assert all(year(item["itemId"]) >= 2020 for item in promoted(items))
    assert len(promoted(items)) == 10


def test_v2_gives_the_reason_and_others_do_not() -> None:
    members: dict[str, Any] = {"userId": "u0001", "promotions": promotion(20, "sixties")}
    for name, reason in (
        ("user-personalization-v2", ["Promoted item"]),
        ("user-personalization", None),
    ):
        items = made_up().items(name, **members)
        assert [item.get("reason") for item in promoted(items)] == [reason] * 5


@settings(derandomize=True, max_examples=60)
@given(
    name=st.sampled_from(LISTS),
    user=st.sampled_from(["u0001", "u0002", "nobody"]),
    percent=st.integers(1, 100),
    results=st.integers(0, 500),
)
def test_no_item_comes_twice_and_the_same_request_has_the_same_answer(
    name: str, user: str, percent: int, results: int
) -> None:
    members: dict[str, Any] = {
        "userId": user,
        "itemId": "i0007",
        "numResults": results,
        "promotions": promotion(percent, "sixties"),
    }
    items = made_up().items(name, **members)
    assert len(set(ids(items))) == len(items) <= results
    assert len(promoted(items)) <= promoted_count(percent, results)
    assert made_up().items(name, **members) == items


def test_unknown_members_of_a_promotion_are_ignored_however_deep() -> None:
    deep: list[Any] = []
    for _ in range(200):
        deep = [deep]
    plain = {"userId": "u0001", "promotions": promotion(20, "sixties")}
    more = {"userId": "u0001", "promotions": promotion(20, "sixties", unknown=deep)}
    assert made_up().items("vod-top-picks", **more) == made_up().items("vod-top-picks", **plain)


def test_places_are_random_between_requests() -> None:
    places = {
        tuple(
            place
            for place, item in enumerate(
                made_up().items(
                    "popularity-count", userId=f"u{n:04}", promotions=promotion(20, "sixties")
                )
            )
            if "promotionName" in item
        )
        for n in range(1, 60)
    }
    assert len(places) > 50
    assert {place for each in places for place in each} == set(range(25))


def test_promoted_items_come_with_metadata() -> None:
    items = made_up().items(
        "user-personalization-v2",
        userId="u0001",
        promotions=promotion(20, "sixties"),
        metadataColumns={"ITEMS": ["YEAR"]},
    )
    assert all(int(item["metadata"]["YEAR"]) == year(item["itemId"]) for item in items)


def test_an_unknown_filter_of_a_promotion_is_not_found() -> None:
    with pytest.raises(ServiceFault) as caught:
        made_up().items("vod-top-picks", userId="u0001", promotions=promotion(20, "other"))
    assert caught.value.code == "ResourceNotFoundException"
