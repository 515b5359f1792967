"""Columns of any type that Parquet can hold: taken, or refused with advice; never a bug."""

from __future__ import annotations

import datetime as dt
import decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.emulator.data.datasets import load
from worker.emulator.errors import EmulatorError
from worker.emulator.settings import EmulatorSettings

TIMES = pa.array([1, 2, 3, 4])
DATA: dict[str, dict[str, Any]] = {
    "interactions": {
        "USER_ID": pa.array(["a", "b", "a", "c"]),
        "ITEM_ID": pa.array(["1", "2", "3", "1"]),
        "TIMESTAMP": TIMES,
        "EVENT_TYPE": pa.array(["x", "y", None, "x"]),
    },
    "items": {"ITEM_ID": pa.array(["1", "2", "3", "4"]), "CREATION_TIMESTAMP": TIMES},
    "users": {"USER_ID": pa.array(["a", "b", "c", "d"])},
    "actions": {
        "ACTION_ID": pa.array(["p", "q", "r", "s"]),
        "VALUE": TIMES,
        "ACTION_EXPIRATION_TIMESTAMP": TIMES,
    },
    "action_interactions": {
        "USER_ID": pa.array(["a", "b", "a", "c"]),
        "ACTION_ID": pa.array(["p", "q", "r", "s"]),
        "TIMESTAMP": TIMES,
        "EVENT_TYPE": pa.array(["TAKEN", "VIEWED", "NOT_TAKEN", None]),
    },
}
CELLS: dict[str, Any] = {
    "nulls": pa.nulls(4),
    "text views": pa.array(["a", None, "b", "c"], pa.string_view()),
    "large text": pa.array(["a"] * 4, pa.large_string()),
    "encoded text": pa.array(["a", "b", None, "a"]).dictionary_encode(),
    "bytes": pa.array([b"\xff"] * 4),
    "byte views": pa.array([b"a"] * 4, pa.binary_view()),
    "encoded bytes": pa.array([b"a", b"\xff", None, b"a"]).dictionary_encode(),
    "booleans": pa.array([True, False, None, True]),
    "halves": pa.array([1.0] * 4).cast(pa.float16()),
    "floats": pa.array([1.5, float("nan"), None, float("inf")]),
    "large numbers": pa.array([2**64 - 1] * 4, pa.uint64()),
    "decimals": pa.array([decimal.Decimal("1.5")] * 4),
    "dates": pa.array([dt.date(2020, 1, 1)] * 4),
    "times of day": pa.array([dt.time(1)] * 4),
    "durations": pa.array([1] * 4, pa.duration("s")),
    "timestamps": pa.array([1, 2, 3, None], pa.timestamp("ns", "Europe/Berlin")),
    "lists": pa.array([["a"]] * 4),
    "structures": pa.array([{"x": 1}] * 4),
    "maps": pa.array([[("a", 1)]] * 4, pa.map_(pa.string(), pa.int64())),
}


def refused(settings: EmulatorSettings) -> str | None:
    """Return what is wrong with the data, None where nothing is."""
    try:
        load(settings)
    except EmulatorError as error:
        return error.what
    return None


@pytest.mark.parametrize("kind", CELLS)
def test_a_column_of_any_type_is_taken_or_refused(tmp_path: Path, kind: str) -> None:
    paths = {what: str(tmp_path / f"{what}.parquet") for what in DATA}
    for what, columns in DATA.items():
        pq.write_table(pa.table(columns), paths[what])
    for what, columns in DATA.items():
        for name in [*columns, "EXTRA"]:
            pq.write_table(pa.table({**columns, name: CELLS[kind]}), paths[what])
            refusal = refused(EmulatorSettings.model_validate(paths))
            assert refusal is None or f"the {what} data set" in refusal
        pq.write_table(pa.table(columns), paths[what])


@pytest.mark.parametrize("kind", ["text views", "large text", "encoded text"])
def test_text_in_any_layout_is_taken(tmp_path: Path, kind: str) -> None:
    items = tmp_path / "items.parquet"
    pq.write_table(pa.table({**DATA["items"], "EXTRA": CELLS[kind]}), items)
    interactions = tmp_path / "interactions.parquet"
    pq.write_table(pa.table({**DATA["interactions"], "EXTRA": CELLS[kind]}), interactions)
    data = load(EmulatorSettings(interactions=str(interactions), items=str(items)))
    assert data.item_columns["EXTRA"].to_pylist() == CELLS[kind].to_pylist()
    assert "a" in data.interaction_columns["EXTRA"].values
