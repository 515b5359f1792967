"""Promises of the emulator's docstring about what it chose where AWS's documentation is silent."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.emulator import Emulated, Items, filter_arn, ids, promotion

from worker.emulator.data.datasets import load
from worker.emulator.model.cache import Recent
from worker.emulator.model.contexts import SUPPORT_MIN
from worker.emulator.model.recommend import Recommender
from worker.emulator.model.relevance import Relevance
from worker.emulator.model.train import train
from worker.emulator.settings import EmulatorSettings

V2 = "user-personalization-v2"
DAY_S = 86_400


def shop(folder: Path, events: list[tuple[str, str, int, str]], **more: Any) -> Emulated:
    names = ("USER_ID", "ITEM_ID", "TIMESTAMP", "EVENT_TYPE")
    columns = map(list, zip(*events, strict=True))
    table = pa.table(dict(zip(names, columns, strict=True)))
    return Emulated(folder, interactions=table, **more)


@cache
def made_up() -> Emulated:
    few = 'INCLUDE ItemID WHERE Items.GENRES IN ("Western")'
    return Emulated(filters={"western": few})


def explored(items: Items) -> Items:
    return [item for item in items if item.get("reason") == ["Exploration"]]


def test_explored_items_are_in_the_order_of_scores_and_no_item_is_there_twice() -> None:
    numbers = []
    for number in range(1, 41):
        user = {"userId": f"u{number:04}", "numResults": 500}
        items = made_up().items(V2, **user)
        scores = [item["score"] for item in items]
        assert scores == sorted(scores, reverse=True)
        numbers.append(len(explored(items)))
        filled = made_up().items(V2, **user, filterArn=filter_arn("western"))
        assert len(set(ids(filled))) == len(filled)
        assert filled[-1]["reason"] == ["Popular item"]
    assert max(numbers) > 1


def test_a_promoted_item_that_v2_does_not_score_has_no_score() -> None:
    promoted = []
    for number in range(1, 41):
        asked = {"userId": f"u{number:04}", "numResults": 500}
        items = made_up().items(V2, **asked, promotions=promotion(50, "western"))
        promoted += [item for item in items if "promotionName" in item]
    assert {"score" in item for item in promoted} == {True, False}


def test_what_a_use_case_hides_is_not_promoted(tmp_path: Path) -> None:
    events = [("u1", "watched", 1, "Watch"), ("u2", "other", 2, "Watch"), ("u2", "new", 3, "Watch")]
    items = pa.table({"ITEM_ID": ["watched", "other", "new"], "YEAR": [1, 2, 3]})
    everything = {"everything": "INCLUDE ItemID WHERE Items.YEAR > 0"}
    world = shop(tmp_path, events, items=items, filters=everything)
    answer = world.items("vod-top-picks", userId="u1", promotions=promotion(100, "everything"))
    assert set(ids(answer)) == {"other", "new"}


def test_items_with_as_many_views_go_by_all_their_interactions(tmp_path: Path) -> None:
    events = [(f"u{n}", f"i{n}", n, "View") for n in range(3)]
    events += [("u0", "i2", 9, "click"), ("u1", "i2", 9, "click"), ("u0", "i1", 9, "click")]
    answer = shop(tmp_path, events).items("ecomm-popular-items-by-views", userId="u1")
    assert ids(answer) == ["i2", "i1", "i0"]


def test_an_action_that_expires_with_the_last_interaction_has_expired(tmp_path: Path) -> None:
    actions = {"ACTION_ID": ["gone", "there"], "ACTION_EXPIRATION_TIMESTAMP": [7, 8]}
    world = shop(tmp_path, [("u", "i", 7, "Watch")], actions=pa.table(actions))
    assert [each["actionId"] for each in world.actions(userId="u")] == ["there"]


def test_where_nothing_is_new_what_was_seen_least_is_explored(tmp_path: Path) -> None:
    rare = {f"i{n}" for n in range(0, 900, 9)}
    events = [(f"u{n % 40}", f"i{n * 7 % 900}", n, "watch") for n in range(3600)]
    events += [(f"u{n % 40}", f"i{n}", 9000 + n, "watch") for n in range(900) if n % 9]
    events += [("u0", "i1", 90 * DAY_S + n, "watch") for n in range(10)]
    items = pa.table({"ITEM_ID": [f"i{n}" for n in range(900)], "CREATION_TIMESTAMP": [1] * 900})
    world = shop(tmp_path, events, items=items)
    found = {item for n in range(40) for item in ids(explored(world.items(V2, userId=f"u{n}")))}
    assert found
    assert found <= rare


@pytest.mark.parametrize(("support", "says"), [(SUPPORT_MIN - 1, False), (SUPPORT_MIN, True)])
def test_a_context_says_something_from_20_interactions_on(
    tmp_path: Path, support: int, says: bool
) -> None:
    rows = range(200)
    table = pa.table(
        {
            "USER_ID": [f"u{n % 40}" for n in rows],
            "ITEM_ID": ["i0" if n < support else f"i{n % 9}" for n in rows],
            "TIMESTAMP": list(rows),
            "DEVICE": ["watch" if n < support else "tv" for n in rows],
        }
    )
    world = Emulated(tmp_path, interactions=table)
    plain = world.items("user-personalization", userId="u1")
    told = world.items("user-personalization", userId="u1", context={"DEVICE": "watch"})
    assert (plain != told) is says


def test_a_ranking_of_items_too_unlikely_for_a_float_has_equal_scores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recommender = Recommender(train(load(EmulatorSettings())))
    weights = np.zeros(1000, dtype=np.float32)
    monkeypatch.setattr(recommender, "user", lambda *_: Relevance(weights, 1.0))
    ranked = recommender.ranking(1, [7, 3])
    assert (ranked.codes, ranked.scores) == ([3, 7], [0.5, 0.5])


def test_only_the_values_of_the_keys_used_last_are_remembered() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    recent: Recent[str] = Recent(2)
    assert [recent.get(key, lambda: make(key)) for key in "abacab"] == list("ABACAB")  # noqa: B023 - called at once
    assert made == list("abcb")
