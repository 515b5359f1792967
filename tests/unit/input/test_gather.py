"""Rows in batches that are bounded by what they come to, however Parquet holds them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.input import gather
from worker.input.gather import decoded_batches, gathered

WIDEST = 400 + 8 * 12  # of a row; and the offsets of a step


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), max_size=300),
    st.integers(1, 100),
    st.integers(1, 3000),
    st.booleans(),
)
def test_batches_follow_each_other_within_their_bounds(
    rows: list[tuple[int, int]], batch_rows: int, bytes_max: int, is_dictionary: bool
) -> None:
    text = pa.array([str(letter) * width for letter, width in rows], pa.string())
    column: Any = text.dictionary_encode() if is_dictionary else text
    steps = pa.table({"TEXT": column}).to_batches(max_chunksize=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gather, "READ_BYTES_MAX", bytes_max)
        batches = [*gathered(steps, batch_rows=batch_rows)]
    assert [each for batch in batches for each in batch["TEXT"].to_pylist()] == text.to_pylist()
    for batch in batches:
        # What is over comes with the last step, or is one wide row.
        assert batch.num_rows < batch_rows + 8
        decoded = batch["TEXT"].cast(pa.string())
        assert decoded.nbytes <= 2 * bytes_max + WIDEST


def test_a_file_is_read_by_what_it_comes_to() -> None:
    """Two texts of 100 KB for 1,000 rows: 200 KB in the file, 100 MB in memory."""
    wide = [letter * 100_000 for letter in "ab"] * 500
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"WIDE": wide}), sink)
    assert len(sink.getvalue()) < 300_000
    sizes = [
        each.nbytes for each in decoded_batches(pq.ParquetFile(pa.BufferReader(sink.getvalue())))
    ]
    assert sum(sizes) > 99_000_000
    assert max(sizes) < 16 << 20
