"""What is wide in a part takes no more memory in a report than it did when it was written."""

from __future__ import annotations

from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from worker.report.measure import rows
from worker.report.measure.hashes import hash_lists, hash_strings

LONG = "x" * 5000


@given(st.lists(st.sampled_from(["", "a", "é", None, LONG, LONG + "y"]), max_size=8))
def test_texts_have_the_same_hash_exactly_where_they_are_the_same(texts: list[str | None]) -> None:
    hashes = hash_strings(pa.array(texts, pa.string())).to_pylist()
    same = [text or "" for text in texts]
    assert [hashes.index(each) for each in hashes] == [same.index(each) for each in same]


def test_a_long_text_is_not_hashed_letter_by_letter() -> None:
    """Each letter takes 64 bytes then, all at once."""
    with mock.patch("worker.report.measure.hashes.hash_lists", wraps=hash_lists) as by_letter:
        hash_strings(pa.array(["x" * (1 << 20), "y"]))
    assert len(by_letter.call_args.args[0]) < 100


@given(st.lists(st.integers(0, 400), min_size=1, max_size=6))
def test_lists_that_stand_at_each_item_are_read_once_a_row(counts: list[int]) -> None:
    """A line without a rank is a row without items."""
    lines = [[str(row), "x"] for row, count in enumerate(counts) for _ in range(max(1, count))]
    ranks = [rank for count in counts for rank in (range(1, count + 1) if count else [None])]
    kinds = pa.schema([("LIST", pa.list_(pa.string())), ("rank", pa.int32())])
    table = pa.table({"LIST": lines, "rank": ranks}, schema=kinds)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, row_group_size=max(1, table.num_rows))
    file = pq.ParquetFile(pa.BufferReader(sink.getvalue()))
    begins = rows._begins(table["rank"].combine_chunks()).to_pylist()
    rows_read = rows._lines(file, 0, ["LIST"], begins)
    assert rows_read["LIST"].to_pylist() == [[str(row), "x"] for row in range(len(counts))]
