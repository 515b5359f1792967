"""Semantic-Similarity: items alike by their texts, moved by popularity and freshness.

Source: developer guide, "Semantic-Similarity recipe".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.emulator import Emulated, ids

from worker.emulator.errors import ServiceFault

NAME = "semantic-similarity"
TEXTS = {
    "space-1": "A crew far out, deep space, meets aliens",
    "space-2": "Aliens attack a space station and its crew",
    "space-3": "The space shuttle and the aliens",
    "love-1": "Two people fall in love in Paris",
    "love-2": "A love story of two strangers",
    "none": None,
    "alone": "Zyzzyva",
}
CREATED = {"space-2": 1_000, "space-3": 2_000}


def world(folder: Path, *, influence: dict[str, float] | None = None, **more: Any) -> Emulated:
    """Return an emulator whose most popular items are about love, the least about space."""
    popular = ["love-1"] * 60 + ["love-2"] * 30 + ["space-2"] * 20 + ["space-3"] * 5
    interactions = pa.table(
        {
            "USER_ID": [f"u{n}" for n in range(len(popular))],
            "ITEM_ID": popular,
            "TIMESTAMP": list(range(len(popular))),
        }
    )
    items = pa.table(
        {
            "ITEM_ID": list(TEXTS),
            "DESCRIPTION": list(TEXTS.values()),
            "CREATION_TIMESTAMP": [CREATED.get(item, 500) for item in TEXTS],
        }
    )
    home = {"name": NAME, "recipe": f"aws-{NAME}", "ranking_influence": influence or {}}
    return Emulated(
        folder, **{"interactions": interactions, "items": items, **more}, campaigns=[home]
    )


def alike(emulated: Emulated, item: str = "space-1") -> list[str]:
    return ids(emulated.items(NAME, itemId=item))


def test_items_with_words_in_common_come_first(tmp_path: Path) -> None:
    emulated = world(tmp_path)
    assert set(alike(emulated)[:2]) == {"space-2", "space-3"}
    assert alike(emulated, "love-2")[0] == "love-1"
    assert "space-1" not in alike(emulated)
    assert len(alike(emulated)) == len(TEXTS) - 1
    assert all(set(item) == {"itemId"} for item in emulated.items(NAME, itemId="space-1"))


def test_a_new_item_that_nobody_has_touched_is_alike_by_its_text(tmp_path: Path) -> None:
    assert alike(world(tmp_path), "space-2")[0] in {"space-1", "space-3"}


@pytest.mark.parametrize("item", ["none", "alone", "no-such-item"])
def test_an_item_without_words_in_common_gets_popular_items(tmp_path: Path, item: str) -> None:
    assert alike(world(tmp_path), item)[:3] == ["love-1", "love-2", "space-2"]


def test_popularity_moves_popular_items_up(tmp_path: Path) -> None:
    assert alike(world(tmp_path, influence={"POPULARITY": 1.0}))[0] == "love-1"
    assert alike(world(tmp_path, influence={"POPULARITY": 0.0})) == alike(world(tmp_path))


def test_freshness_moves_new_items_up(tmp_path: Path) -> None:
    found = alike(world(tmp_path, influence={"FRESHNESS": 1.0}))
    assert found[0] == "space-3"
    first = alike(world(tmp_path, influence={"FRESHNESS": 1.0}), "love-1")[0]
    assert first == "space-3"  # the newest, though it is about something else


def test_texts_are_those_that_the_schema_says(tmp_path: Path) -> None:
    texts = {"a": "dog", "b": "cat", "c": "dog"}
    other = {"a": "red", "b": "red", "c": "blue"}
    items = pa.table({"ITEM_ID": ["a", "b", "c"], "T": [*texts.values()], "C": [*other.values()]})
    for marked, first in (("T", "c"), ("C", "b")):
        fields = [
            {"name": name, "type": "string", "itemName": name == marked}
            for name in ("ITEM_ID", "T", "C")
        ]
        path = tmp_path / "items.avsc"
        path.write_text(json.dumps({"type": "record", "name": "Items", "fields": fields}))
        emulated = world(tmp_path, items=items, schemas={"items": str(path)})
        assert alike(emulated, "a")[0] == first


def test_it_returns_metadata_needs_an_item_and_has_no_promotions(tmp_path: Path) -> None:
    emulated = world(tmp_path, filters={"all": "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > 0"})
    columns = {"ITEMS": ["DESCRIPTION"]}
    found = emulated.items(NAME, itemId="space-1", numResults=1, metadataColumns=columns)
    assert "space" in found[0]["metadata"]["DESCRIPTION"].lower()
    with pytest.raises(ServiceFault, match="needs itemId"):
        emulated.items(NAME, userId="u1")


def test_data_without_items_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world(tmp_path, items=None)
    assert f"campaign {NAME} is on aws-{NAME}, without a data set of items" in caplog.text
