"""Exploded rows: each item's own line, and what is wide referred to instead of copied."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.output.outcomes import success

from worker.codec import columns
from worker.codec.decoder import Decoder
from worker.model import Answer
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation

ITEMS = SHAPES[Operation.GET_RECOMMENDATIONS]


def exploded(copied: pa.RecordBatch, lists: list[list[str]]) -> list[pa.Table]:
    outcomes = [success(*listed) for listed in lists]
    answers = [each.result for each in outcomes if isinstance(each.result, Answer)]
    nested = columns.nested(
        copied,
        Decoder(ITEMS).decode(answers),
        outcomes,
        columns.results_schema(copied.schema, ITEMS, "nested"),
    )
    return [
        *columns.explode(nested, ITEMS, columns.results_schema(copied.schema, ITEMS, "exploded"))
    ]


TEXT = st.text("aé", max_size=30) | st.none()
ITEM_ID = st.text("aé", min_size=1, max_size=30)
ROW = st.tuples(TEXT, st.none() | st.lists(TEXT, max_size=9), st.lists(ITEM_ID, max_size=9))


@given(st.lists(ROW, min_size=1, max_size=8), st.integers(1, 200), st.integers(1, 300))
def test_lines_are_the_same_however_they_are_cut_and_repeated(
    rows: list[tuple[Any, Any, Any]], block_bytes: int, read_bytes: int
) -> None:
    copied = pa.RecordBatch.from_arrays(
        [
            pa.array([text for text, _, _ in rows], pa.string()),
            pa.array([listed for _, listed, _ in rows], pa.list_(pa.string())),
        ],
        names=["TEXT", "LIST"],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK_BYTES", block_bytes)
        patch.setattr(columns, "EXPLODED_BYTES_MAX", read_bytes)
        tables = exploded(copied, [items for _, _, items in rows])
    lines = [line for table in tables for line in table.to_pylist()]
    found = [(line["TEXT"], line["LIST"], line["rank"], line["item_id"]) for line in lines]
    assert found == [
        (text, listed, rank, item)
        for text, listed, items in rows
        for rank, item in (enumerate(items, 1) if items else [(None, None)])
    ]
    for table in tables:
        table.validate(full=True)


def test_text_that_comes_to_more_than_2_gib_takes_little_memory() -> None:
    """As of 100 rows with 500 items each, which keep 64 KiB of text."""
    text = pa.array([str(row).ljust(64 << 10, "x") for row in range(100)])
    copied = pa.RecordBatch.from_arrays([text], names=["TEXT"])
    before = pa.total_allocated_bytes()
    tables = exploded(copied, [[f"i{n}" for n in range(500)]] * 100)
    assert sum(table["TEXT"].nbytes for table in tables) > 2**31
    assert sum(table.num_rows for table in tables) == 50_000
    assert pa.total_allocated_bytes() - before < 64 << 20
    for table in tables:
        assert table.nbytes <= columns.EXPLODED_BYTES_MAX * 1.1
