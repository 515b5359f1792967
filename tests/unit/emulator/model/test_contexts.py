"""Contextual metadata: what a context changes, for whom, and what it may name.

Source: developer guide, "Increasing recommendation relevance with contextual metadata".
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulator import Emulated, ids

from worker.emulator.data.coded import coded_columns
from worker.emulator.errors import ServiceFault
from worker.emulator.model.contexts import SUPPORT_MIN, VALUES_PER_KEY_MAX, Contexts

CONTEXTUAL = [
    "user-personalization",
    "user-personalization-v2",
    "vod-top-picks",
    "ecomm-recommended-for-you",
]
OTHERS = ["hrnn", "popularity-count", "trending-now", "similar-items", "vod-more-like-x"]


@cache
def made_up() -> Emulated:
    return Emulated()


@pytest.mark.parametrize("name", CONTEXTUAL)
@pytest.mark.parametrize("user", ["u0001", "nobody"])
def test_a_context_changes_the_order_of_contextual_recipes(name: str, user: str) -> None:
    plain, phone, tv = (
        ids(made_up().items(name, userId=user, context=context))
        for context in ({}, {"DEVICE": "phone"}, {"DEVICE": "tv"})
    )
    assert plain != phone != tv != plain


@pytest.mark.parametrize("name", OTHERS)
def test_a_context_changes_nothing_for_other_recipes(name: str) -> None:
    members = {"userId": "u0001", "itemId": "i0001"}
    phone = made_up().items(name, context={"DEVICE": "phone"}, **members)
    assert phone == made_up().items(name, **members)


@pytest.mark.parametrize("name", ["personalized-ranking", "personalized-ranking-v2"])
def test_a_context_changes_rankings_whose_scores_still_sum_to_one(name: str) -> None:
    members: dict[str, Any] = {
        "userId": "u0001",
        "inputList": [f"i{n:04}" for n in range(1, 101)],
    }
    plain, phone = (
        made_up().rank(name, context=context, **members) for context in ({}, {"DEVICE": "phone"})
    )
    assert ids(plain) != ids(phone)
    assert sum(item["score"] for item in phone) == pytest.approx(1.0, abs=1e-5)


def test_what_is_taken_in_a_context_moves_up_in_it(tmp_path: Path) -> None:
    rows = [(f"u{n % 50}", f"i{n * 13 % 40}", n, "ab"[n * 13 % 40 % 2]) for n in range(4000)]
    names = ("USER_ID", "ITEM_ID", "TIMESTAMP", "Place")
    columns = map(list, zip(*rows, strict=True))
    table = pa.table(dict(zip(names, columns, strict=True)))
    world = Emulated(tmp_path, interactions=table)
    for place in "ab":
        best = ids(
            world.items(
                "user-personalization", userId="new", numResults=20, context={"PLACE": place}
            )
        )
        assert all(int(item[1:]) % 2 == "ab".index(place) for item in best)


@pytest.mark.parametrize("value", ["", "fridge", "PHONE", "x" * 1000])
def test_unknown_values_change_nothing(value: str) -> None:
    for name in ("user-personalization", "vod-top-picks"):
        plain = made_up().items(name, userId="u0001")
        assert made_up().items(name, userId="u0001", context={"DEVICE": value}) == plain


def test_keys_are_compared_without_regard_to_case_and_their_order_does_not_matter() -> None:
    one = {"DEVICE": "phone", "DAYPART": "night"}
    two = {"daypart": "night", "Device": "phone"}
    answers = [
        made_up().items("user-personalization", userId="u0001", context=each) for each in (one, two)
    ]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("key", ["WEATHER", "EVENT_TYPE", "USER_ID", "ITEM_ID", "TIMESTAMP"])
def test_keys_that_are_no_metadata_of_the_interactions_are_refused(key: str) -> None:
    with pytest.raises(ServiceFault, match=f"context key '{key}'") as caught:
        made_up().items("user-personalization", userId="u0001", context={key: "x"})
    assert caught.value.code == "InvalidInputException"


def test_unknown_keys_can_be_ignored_instead() -> None:
    lenient = Emulated(unknown_context="ignore")
    plain = lenient.items("user-personalization", userId="u0001")
    assert lenient.items("user-personalization", userId="u0001", context={"X": "y"}) == plain


def test_only_values_with_enough_interactions_teach_and_only_so_many(tmp_path: Path) -> None:
    values = [f"v{n:03}" for n in range(VALUES_PER_KEY_MAX + 9) for _ in range(SUPPORT_MIN)]
    values += ["rare"] * (SUPPORT_MIN - 1)
    table = pa.table(
        {
            "USER_ID": [f"u{n % 30}" for n in range(len(values))],
            "ITEM_ID": [f"i{n % 7}" for n in range(len(values))],
            "TIMESTAMP": list(range(len(values))),
            "K": values,
        }
    )
    contexts = Contexts(Emulated(tmp_path, interactions=table).data)
    taught = [value for value in sorted(set(values)) if contexts.told({"K": value})]
    assert len(taught) == VALUES_PER_KEY_MAX
    assert "rare" not in taught


@settings(derandomize=True, max_examples=60)
@given(
    values=st.lists(
        st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["watch", "WATCH", "Watch"])),
        max_size=30,
    )
)
def test_codes_stand_for_the_values_they_were_made_from(values: list[str | None]) -> None:
    coded = coded_columns(pa.table({"Kind": pa.array(values, pa.string())}))["KIND"]
    assert [None if code < 0 else coded.values[code] for code in coded.codes.tolist()] == values
    expected = [value is not None and value.lower() == "watch" for value in values]
    assert coded.rows_of("Watch").tolist() == expected


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1, 2, None]), ["1", "2"]),
        (pa.array([1.5, 2.0, 1.5]), ["1.5", "2"]),
        (pa.array([True, False, None]), ["false", "true"]),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ["a", "b"]),
        (pa.array([["list"], [], None]), []),
        (pa.array([b"bytes", b"", None]), []),
    ],
)
def test_columns_of_any_type_can_be_context(column: pa.Array[Any], values: list[str]) -> None:
    coded = coded_columns(pa.table({"K": column, "USER_ID": ["u"] * 3}))
    assert set(coded) == {"K"}
    assert coded["K"].values == values
    assert coded["K"].codes.dtype == np.int32
