"""Rules and quotas of the service's imports: told as warnings, refused with `strict`.

Sources: developer guide, "Amazon Personalize endpoints and quotas", "Preparing item interaction
data for training".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.emulator import Emulated

from worker.emulator.errors import EmulatorError

NOW = 1_700_000_000
GOOD: dict[str, list[Any]] = {
    "USER_ID": [f"u{n % 100}" for n in range(1200)],
    "ITEM_ID": [f"i{n * 7 % 90}" for n in range(1200)],
    "TIMESTAMP": [NOW + n for n in range(1200)],
    "EVENT_TYPE": ["Watch"] * 1200,
}
ITEMS = {"ITEM_ID": ["i1"], "GENRES": ["Comedy"]}
HOME = {"name": "home", "recipe": "aws-user-personalization-v2"}
PICKS = {"name": "picks", "use_case": "aws-vod-top-picks"}


def emulated(folder: Path, **changed: Any) -> Emulated:
    """Return an emulator over interactions that keep all rules, but for what is changed."""
    columns = GOOD | changed.pop("columns", {})
    rows = changed.pop("rows", slice(None))
    kept = {name: values[rows] for name, values in columns.items() if values is not None}
    return Emulated(folder, **{"interactions": pa.table(kept), **changed})


def with_type(event_type: str, count: int) -> dict[str, list[str]]:
    return {"EVENT_TYPE": [event_type] * count + ["other"] * (1200 - count)}


BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "999 interactions": ({"rows": slice(999)}, "999 different interactions.* need 1000"),
    "duplicates count once": (
        {"columns": {name: values[:900] * 2 for name, values in GOOD.items()}},
        "900 different interactions",
    ),
    "24 users with two": (
        {"columns": {"USER_ID": [f"u{min(n // 2, 23)}" for n in range(1200)]}},
        "24 users .* two interactions or more.* needs 25",
    ),
    "too few users with two": (
        {
            "columns": {
                "USER_ID": [f"u{n // 2 if n < 52 else n}" for n in range(6000)],
                "ITEM_ID": ["i1"] * 6000,
                "TIMESTAMP": list(range(6000)),
                "EVENT_TYPE": ["Watch"] * 6000,
            }
        },
        "26 of 5974 users",
    ),
    "6 context columns": (
        {"columns": {f"C{n}": ["x"] * 1200 for n in range(6)}},
        "6 columns besides the reserved ones: C0, C1, C2, C3, C4, C5",
    ),
    "event types and columns": (
        {
            "columns": {
                "EVENT_TYPE": [f"t{n % 6}" for n in range(1200)],
                "EVENT_VALUE": [1.0] * 1200,
                **{f"C{n}": ["x"] * 1200 for n in range(3)},
            }
        },
        "6 event types and 5 metadata columns",
    ),
    "events without a type": (
        {"columns": {"EVENT_TYPE": [None] + ["Watch"] * 1199}},
        "1 events without an EVENT_TYPE",
    ),
    "long context": (
        {"columns": {"DEVICE": ["x" * 1001] + ["y"] * 1199}},
        "column DEVICE .* 1001 characters",
    ),
    "long item metadata": (
        {"items": pa.table(ITEMS | {"GENRES": ["x" * 1001]})},
        "column GENRES of the items .* 1001 characters",
    ),
    "long user metadata": (
        {"users": pa.table({"USER_ID": ["u1"], "TIER": ["x" * 1001]})},
        "column TIER of the users .* 1001 characters",
    ),
    "a line break": (
        {"items": pa.table(ITEMS | {"GENRES": ["a\nb"]})},
        "column GENRES .* line break",
    ),
    "101 columns of items": (
        {"items": pa.table(ITEMS | {f"C{n}": ["x"] for n in range(100)})},
        "101 metadata columns.* 1 to 100",
    ),
    "26 columns of users": (
        {"users": pa.table({"USER_ID": ["u1"], **{f"C{n}": ["x"] for n in range(26)}})},
        "26 metadata columns.* 1 to 25",
    ),
    "11 columns of actions": (
        {"actions": pa.table({"ACTION_ID": ["a"], **{f"C{n}": ["x"] for n in range(11)}})},
        "11 metadata columns.* 1 to 10",
    ),
    "no metadata of items": ({"items": pa.table({"ITEM_ID": ["i1"]})}, "0 metadata columns"),
    "1001 actions": (
        {"actions": pa.table({"ACTION_ID": [f"a{n}" for n in range(1001)], "K": ["x"] * 1001})},
        "1001 actions",
    ),
    "milliseconds": (
        {"columns": {"TIMESTAMP": [(NOW + n) * 1000 for n in range(1200)]}},
        "column TIMESTAMP .* looks like milliseconds: 1700001199000",
    ),
    "milliseconds of items": (
        {"items": pa.table(ITEMS | {"CREATION_TIMESTAMP": [NOW * 1000]})},
        "column CREATION_TIMESTAMP of the items .* milliseconds",
    ),
    "31 filters": (
        {"filters": {f"f{n}": "EXCLUDE ItemID WHERE Items.ITEM_ID IN ($X)" for n in range(31)}},
        "31 filters are declared.* may have 30",
    ),
    "6 campaigns": (
        {"campaigns": [HOME | {"name": f"c{n}"} for n in range(6)]},
        "6 campaigns are declared.* may have 5",
    ),
    "6 recommenders": (
        {"recommenders": [PICKS | {"name": f"r{n}"} for n in range(6)]},
        "6 recommenders are declared.* may have 5",
    ),
    "a recommender without types": (
        {"columns": {"EVENT_TYPE": None}, "recommenders": [PICKS]},
        "no column EVENT_TYPE",
    ),
    "999 events of a use case's type": (
        {
            "columns": with_type("watch", 999),
            "recommenders": [PICKS | {"use_case": "aws-vod-most-popular"}],
        },
        "999 events of type Watch",
    ),
    "actions without a data set": (
        {"campaigns": [{"name": "next", "recipe": "aws-next-best-action"}]},
        "campaign next .* without a data set of actions",
    ),
}

KEPT: dict[str, dict[str, Any]] = {
    "plain interactions": {},
    "1000 interactions": {"rows": slice(1000)},
    "25 users with two": {"columns": {"USER_ID": [f"u{n % 25}" for n in range(1200)]}},
    "5 context columns": {"columns": {f"C{n}": ["x"] * 1200 for n in range(5)}},
    "1000 characters": {"items": pa.table(ITEMS | {"GENRES": ["x" * 1000]})},
    "30 filters": {
        "filters": {f"f{n}": "EXCLUDE ItemID WHERE Items.ITEM_ID IN ($X)" for n in range(30)}
    },
    "5 campaigns": {"campaigns": [HOME | {"name": f"c{n}"} for n in range(5)]},
    "1000 events of a use case's type": {
        "columns": with_type("watch", 1000),
        "recommenders": [PICKS | {"use_case": "aws-vod-most-popular"}],
    },
    "times that Arrow knows the unit of": {
        "columns": {"TIMESTAMP": pa.array(range(1200), pa.timestamp("ms"))}
    },
    "interactions without types": {"columns": {"EVENT_TYPE": None}},
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_rule_is_told_and_refused_when_strict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    changed, says = BROKEN[name]
    with pytest.raises(EmulatorError, match=says) as caught:
        emulated(tmp_path, strict=True, **dict(changed))
    assert "strict = false" in caught.value.hint
    caplog.clear()
    emulated(tmp_path, **dict(changed))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "emulator.strict" in warning


@pytest.mark.parametrize("name", KEPT)
def test_what_keeps_the_rules_is_taken_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    emulated(tmp_path, strict=True, **dict(KEPT[name]))
    assert "WARNING" not in caplog.text


def test_made_up_data_keep_the_rules(caplog: pytest.LogCaptureFixture) -> None:
    assert len(Emulated(strict=True).data.timestamps) > 0
    assert "WARNING" not in caplog.text


def test_exact_duplicates_of_an_interaction_count_once(tmp_path: Path) -> None:
    rows = {name: [*values[:3], *values[:3]] for name, values in GOOD.items()}
    assert len(emulated(tmp_path, columns=rows).data.timestamps) == 3
    for name, other in {"TIMESTAMP": 1, "EVENT_TYPE": "x", "DEVICE": None}.items():
        columns = {**rows, "DEVICE": ["tv"] * 6}
        columns[name] = [other, *columns[name][1:]]
        assert len(emulated(tmp_path, columns=columns).data.timestamps) == 4


def test_popularity_counts_an_exact_duplicate_once(tmp_path: Path) -> None:
    columns = {
        "USER_ID": ["a", "a", "a", "a", "b", "c"],
        "ITEM_ID": ["dup", "dup", "dup", "dup", "two", "two"],
        "TIMESTAMP": [1, 1, 1, 1, 2, 3],
        "EVENT_TYPE": ["x"] * 6,
    }
    items = emulated(tmp_path, columns=columns).items("popularity-count", userId="a")
    assert [item["itemId"] for item in items] == ["two", "dup"]
