"""Filters in answers: what each operation and recipe does with what a filter leaves.

Sources: developer guide, "Filtering recommendations and user segments", "Reasons for
recommendations"; API reference, filterArn and filterValues of the three operations.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from support.emulator import Emulated, filter_arn, ids, promotion

from worker.emulator.errors import EmulatorError, ServiceFault

FILTERS = {
    "since": "INCLUDE ItemID WHERE Items.YEAR >= $YEAR",
    "never": "INCLUDE ItemID WHERE Items.YEAR > 3000",
    "unwatched": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch")',
    "same-year": "INCLUDE ItemID WHERE Items.YEAR IN CurrentItem.YEAR",
    "actions": 'EXCLUDE ActionID WHERE Actions.KIND IN ("ad")',
}
LISTS = ["user-personalization", "hrnn", "popularity-count", "trending-now", "vod-top-picks"]
BOTH = {"userId": "u0001", "itemId": "i0001"}


@cache
def made_up(path: str = "") -> Emulated:
    filters = {name: text for name, text in FILTERS.items() if path or name != "actions"}
    return Emulated(filters=filters, actions=path or None)


def year(item: str) -> int:
    row = made_up().data.item_ids.index(item)
    return int(made_up().data.item_columns["YEAR"][row].as_py())


def since(number: int) -> dict[str, Any]:
    return {"filterArn": filter_arn("since"), "filterValues": {"YEAR": str(number)}}


def matches(number: int) -> int:
    return sum(year(item) >= number for item in made_up().data.item_ids)


@pytest.mark.parametrize("name", [*LISTS, "similar-items", "vod-more-like-x"])
@pytest.mark.parametrize("first", [1990, 2020])
def test_a_filter_leaves_the_best_that_satisfy_it(name: str, first: int) -> None:
    order = ids(made_up().items(name, **BOTH, numResults=500))
    found = ids(made_up().items(name, **BOTH, **since(first)))
    assert len(found) == 25
    wanted = [item for item in order if year(item) >= first]
    assert found[: len(wanted)] == wanted[:25]


@pytest.mark.parametrize("name", LISTS)
def test_a_strict_filter_leaves_fewer(name: str) -> None:
    count = len(made_up().items(name, **BOTH, **since(2023), numResults=500))
    assert matches(2023) - 3 <= count <= matches(2023)  # what was watched may be hidden
    assert made_up().items(name, **BOTH, filterArn=filter_arn("never")) == []


def test_v2_fills_up_with_popular_items_that_satisfy_the_filter() -> None:
    items = made_up().items(
        "user-personalization-v2", userId="u0001", numResults=100, **since(2015)
    )
    assert len(items) == min(100, matches(2015))
    assert all(year(item["itemId"]) >= 2015 for item in items)
    placeholders = [item for item in items if item.get("reason") == ["Popular item"]]
    assert placeholders
    assert items[-len(placeholders) :] == placeholders
    assert all("score" not in item for item in placeholders)
    assert all("score" in item for item in items if item not in placeholders)
    order = ids(made_up().items("popularity-count", userId="u0001", numResults=500, **since(2015)))
    places = [order.index(item) for item in ids(placeholders)]
    assert places == sorted(places)


def test_v2_has_no_placeholders_while_enough_of_the_scored_items_are_left() -> None:
    items = made_up().items("user-personalization-v2", userId="u0001", **since(1990))
    assert all("score" in item for item in items)
    assert (
        made_up().items("user-personalization-v2", userId="u", filterArn=filter_arn("never")) == []
    )


def test_what_the_user_watched_can_be_filtered() -> None:
    data = made_up().data
    rows = data.user_codes == data.user_ids.index("u0001")
    watched = {data.item_ids[code] for code in data.item_codes[rows].tolist()}
    found = made_up().items(
        "popularity-count", userId="u0001", numResults=500, filterArn=filter_arn("unwatched")
    )
    assert not watched & set(ids(found))
    assert len(found) == 500


def test_related_items_can_be_filtered_by_the_current_item() -> None:
    found = made_up().items("similar-items", itemId="i0007", filterArn=filter_arn("same-year"))
    assert {year(item) for item in ids(found)} == {year("i0007")}
    assert "i0007" not in ids(found)


def test_a_ranking_drops_what_the_filter_excludes_and_what_it_does_not_know() -> None:
    listed = [f"i{n:04}" for n in range(1, 41)]
    plain = made_up().rank(userId="u0001", inputList=listed)
    found = made_up().rank(userId="u0001", inputList=["none", *listed], **since(1990))
    assert ids(found) == [item for item in ids(plain) if year(item) >= 1990]
    assert sum(item["score"] for item in found) == pytest.approx(1.0, abs=1e-5)
    assert made_up().rank(userId="u0001", inputList=listed, filterArn=filter_arn("never")) == []


def test_unknown_items_of_a_ranking_have_no_score_if_told_so() -> None:
    world = Emulated(unknown_item_score="absent")
    ranked = world.rank(userId="u0001", inputList=["none", "i0001"])
    assert ranked[-1] == {"itemId": "none"}


@pytest.fixture(scope="module")
def with_actions(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    path = tmp_path_factory.mktemp("actions") / "actions.csv"
    path.write_text("ACTION_ID,KIND\na1,ad\na2,call\na3,ad\na4,mail\n")
    return made_up(str(path))


def test_actions_can_be_filtered(with_actions: Emulated) -> None:
    plain = with_actions.actions(userId="u0001")
    found = with_actions.actions(userId="u0001", filterArn=filter_arn("actions"))
    assert {action["actionId"] for action in found} == {"a2", "a4"}
    assert found == [action for action in plain if action["actionId"] in {"a2", "a4"}]


def test_a_filter_of_the_other_kind_is_invalid(with_actions: Emulated) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: with_actions.actions(userId="u0001", filterArn=filter_arn("unwatched")),
        lambda: with_actions.items("hrnn", userId="u0001", filterArn=filter_arn("actions")),
        lambda: with_actions.rank(
            userId="u0001", inputList=["i0001"], filterArn=filter_arn("actions")
        ),
        lambda: with_actions.items("sims", itemId="i0001", promotions=promotion(9, "actions")),
    ]
    for call in calls:
        with pytest.raises(ServiceFault, match="is one of") as caught:
            call()
        assert caught.value.code == "InvalidInputException"


@pytest.mark.parametrize(
    ("name", "members", "says"),
    [
        ("trending-now", {"filterArn": filter_arn("unwatched")}, "needs userId"),
        ("sims", {"itemId": "i0001", "filterArn": filter_arn("unwatched")}, "needs userId"),
        ("hrnn", {**BOTH, "filterArn": filter_arn("same-year")}, "goes by CurrentItem"),
        ("hrnn", {"userId": "u1", "filterArn": filter_arn("since")}, "YEAR"),
        ("sims", {"itemId": "i0001", "promotions": promotion(9, "since")}, "YEAR"),
    ],
)
def test_a_filter_that_lacks_what_it_goes_by_is_invalid(
    name: str, members: dict[str, Any], says: str
) -> None:
    with pytest.raises(ServiceFault, match=says) as caught:
        made_up().items(name, **members)
    assert caught.value.code == "InvalidInputException"


def test_trending_needs_no_user_for_a_filter_that_goes_by_none() -> None:
    assert len(made_up().items("trending-now", **since(1990))) == 25


def test_a_bad_expression_is_refused_at_the_start() -> None:
    with pytest.raises(EmulatorError, match="broken"):
        Emulated(filters={"broken": "INCLUDE ItemID WHERE"})
