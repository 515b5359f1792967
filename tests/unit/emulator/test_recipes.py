"""What each recipe and use case answers: the developer guide's rules, one test a rule.

Sources: developer guide, "Choosing a recipe", "How recommendation scoring works", "Reasons for
recommendations", "VIDEO_ON_DEMAND use cases", "ECOMMERCE use cases".
"""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.emulator import Emulated, ids

from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES, Kind

BOTH = {"userId": "u0001", "itemId": "i0001"}
SCORED = ("hrnn", "hrnn-coldstart", "hrnn-metadata", "user-personalization")
UNSCORED = ("popularity-count", "trending-now", "similar-items", "sims")
LISTS = [
    name.removeprefix("aws-")
    for name, recipe in (CAMPAIGN_RECIPES | USE_CASES).items()
    if recipe.kind in {Kind.USER, Kind.ITEM, Kind.POPULAR}
]


@cache
def made_up() -> Emulated:
    return Emulated()


def shop(tmp_path: Path, events: list[tuple[str, str, int, str]], **more: Any) -> Emulated:
    columns = zip(*events, strict=True)
    names = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")
    table = pa.table(dict(zip(names, map(list, columns), strict=True)))
    return Emulated(tmp_path, interactions=table, **more)


def by_item(name: str) -> bool:
    return (CAMPAIGN_RECIPES | USE_CASES)[f"aws-{name}"].kind is Kind.ITEM


@pytest.mark.parametrize("name", LISTS)
def test_every_default_resource_answers_25_different_items_with_metadata(name: str) -> None:
    items = made_up().items(name, **BOTH, metadataColumns={"ITEMS": ["TITLE"]})
    assert len(set(ids(items))) == 25
    assert all(item["metadata"]["TITLE"] for item in items)


@pytest.mark.parametrize("name", [*SCORED, "user-personalization-v2"])
def test_scores_sum_to_one_over_a_catalogue_of_which_nothing_is_left_out(
    tmp_path: Path, name: str
) -> None:
    events = [(f"u{n % 40}", f"i{n * 7 % 90}", n, "watch") for n in range(2000)]
    items = shop(tmp_path, events).items(name, userId="u1", numResults=500)
    assert len(items) == 90
    assert sum(item["score"] for item in items) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("name", [*UNSCORED, *(name.removeprefix("aws-") for name in USE_CASES)])
def test_recipes_without_scores_send_ids_alone(name: str) -> None:
    assert all(set(item) == {"itemId"} for item in made_up().items(name, **BOTH))


def test_v2_scores_are_of_a_subset_so_they_are_larger_and_sum_to_one_there() -> None:
    v2 = made_up().items("user-personalization-v2", userId="u0001", numResults=500)
    v1 = made_up().items("user-personalization", userId="u0001", numResults=500)
    known = {item["itemId"]: item["score"] for item in v1}
    shared = [item for item in v2 if item["itemId"] in known]
    assert len(shared) > 450
    assert all(item["score"] > known[item["itemId"]] for item in shared if item["score"] > 1e-5)
    assert 0.9 < sum(item["score"] for item in v2) < 1.000_1


def test_v2_explores_a_small_share_with_new_items_and_says_so() -> None:
    explored = []
    for number in range(1, 401):
        items = made_up().items("user-personalization-v2", userId=f"u{number:04}")
        reasons = [item.get("reason") for item in items]
        assert all(reason in (None, ["Exploration"]) for reason in reasons)
        scores = [item["score"] for item in items]
        assert scores == sorted(scores, reverse=True)
        explored += [item for item in items if "reason" in item]
    assert 0.005 < len(explored) / (400 * 25) < 0.02


@pytest.mark.parametrize("name", ["user-personalization", "hrnn", "vod-top-picks"])
def test_v1_and_use_cases_do_not_explore(tmp_path: Path, name: str) -> None:
    events = [(f"u{n % 40}", f"i{n * 7 % 900}", n, "watch") for n in range(4000)]
    one, other = (shop(tmp_path, events, seed=seed) for seed in (1, 2))
    for user in (f"u{n}" for n in range(41)):
        assert one.items(name, userId=user) == other.items(name, userId=user)


def test_the_same_request_has_the_same_answer_in_any_order_and_spelling() -> None:
    calls = [
        (name, {"userId": f"u{number:04}", "itemId": "i0001", "context": {"DEVICE": device}})
        for name in LISTS
        for number in (1, 2)
        for device in ("phone", "tv")
    ]
    shuffled = random.Random(5).sample(calls, len(calls))
    one = {str(call): made_up().items(call[0], **call[1]) for call in calls}
    again = Emulated()
    for name, members in shuffled:
        backwards = dict(reversed(members.items()))
        assert again.items(name, **backwards) == one[str((name, members))]


@pytest.mark.parametrize(
    "more",
    [{"numResults": 25}, {"context": {}}, {"promotions": []}, {"filterValues": {"ANY": '"x"'}}],
    ids=str,
)
def test_what_asks_for_no_more_changes_no_chance(more: dict[str, Any]) -> None:
    for number in range(30):
        plain = made_up().items("user-personalization-v2", userId=f"u{number}")
        told = made_up().items("user-personalization-v2", userId=f"u{number}", **more)
        assert ids(told) == ids(plain)


def test_another_seed_explores_others(tmp_path: Path) -> None:
    events = [(f"u{n % 40}", f"i{n * 7 % 900}", n, "watch") for n in range(4000)]
    one, same, other = (shop(tmp_path, events, seed=seed) for seed in (1, 1, 2))

    def lists(world: Emulated) -> list[list[str]]:
        users = [f"u{n}" for n in range(20)]
        return [ids(world.items("user-personalization-v2", userId=user)) for user in users]

    assert lists(one) == lists(same) != lists(other)


def test_new_are_items_of_the_last_30_days_in_any_unit_that_the_file_tells(tmp_path: Path) -> None:
    events = [(f"u{n % 40}", f"i{n * 7 % 900:03}", n * 86_400, "watch") for n in range(4000)]
    old, new = events[5][2], events[-1][2] - 86_400
    created = pa.array([new if n < 3 else old for n in range(900)])
    explored = []
    for times in (created, created.cast(pa.timestamp("s")).cast(pa.timestamp("us"))):
        items = {"ITEM_ID": [f"i{n:03}" for n in range(900)], "CREATION_TIMESTAMP": times}
        world = shop(tmp_path, events, items=pa.table(items))
        lists = [world.items("user-personalization-v2", userId=f"u{n}") for n in range(40)]
        explored.append({item["itemId"] for each in lists for item in each if "reason" in item})
    assert explored[0] == explored[1]
    assert explored[0]
    assert explored[0] <= {"i000", "i001", "i002"}


def test_trending_items_are_those_that_grow_at_the_end(tmp_path: Path) -> None:
    events = [(f"u{n % 9}", "old-hit", n, "watch") for n in range(900)]
    events += [(f"u{n % 9}", "steady", n * 2, "watch") for n in range(500)]
    events += [(f"u{n % 9}", "rising", 970 + n % 30, "watch") for n in range(60)]
    world = shop(tmp_path, events)
    for name in ("trending-now", "vod-trending-now"):
        assert ids(world.items(name))[0] == "rising"
    assert ids(world.items("popularity-count", userId="u1")) == ["old-hit", "steady", "rising"]


EVENTS = [
    *[(f"u{n}", "seen", n, "view") for n in range(30)],
    *[(f"u{n}", "bought", n, "PURCHASE") for n in range(10)],
    *[(f"u{n}", "clicked", n, "click") for n in range(50)],
    *[(f"u{n}", "watched", n, "Watch") for n in range(20)],
]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("ecomm-popular-items-by-views", "seen"),
        ("ecomm-popular-items-by-purchases", "bought"),
        ("vod-most-popular", "clicked"),
        ("popularity-count", "clicked"),
    ],
)
def test_popular_means_events_of_the_use_case_s_type(tmp_path: Path, name: str, first: str) -> None:
    assert ids(shop(tmp_path, EVENTS).items(name, userId="u1"))[0] == first


def test_without_events_of_the_type_all_interactions_count(tmp_path: Path) -> None:
    world = shop(tmp_path, [event for event in EVENTS if event[3] in {"click", "Watch"}])
    for name in ("ecomm-popular-items-by-views", "ecomm-popular-items-by-purchases"):
        assert ids(world.items(name, userId="u1"))[0] == "clicked"


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("ecomm-recommended-for-you", "bought"),
        ("ecomm-customers-who-viewed-x-also-viewed", "bought"),
        ("ecomm-frequently-bought-together", None),
        ("ecomm-popular-items-by-views", None),
        ("ecomm-popular-items-by-purchases", None),
        ("vod-top-picks", "watched"),
        ("vod-because-you-watched-x", "watched"),
        ("vod-more-like-x", "watched"),
        ("vod-most-popular", None),
        ("vod-trending-now", None),
        ("user-personalization", None),
        ("similar-items", None),
    ],
)
def test_a_use_case_hides_what_the_user_watched_or_purchased(
    tmp_path: Path, name: str, hidden: str | None
) -> None:
    world = shop(tmp_path, EVENTS)
    everything = {"seen", "bought", "clicked", "watched"}
    wanted = everything - {hidden} - ({"seen"} if by_item(name) else set())
    assert set(ids(world.items(name, userId="u1", itemId="seen"))) == wanted
    assert len(world.items(name, userId="u45", itemId="seen")) == 3 + (not by_item(name))
