"""Digests of rows: the same for the same rows however they are held, another for all others."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.codec.digests import RowsDigest
from worker.input._dictionaries import plain
from worker.model import DIGEST_BYTES

words = st.text(max_size=5)
whole = st.integers(-(2**31), 2**31 - 1)
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), words),
    (pa.large_string(), words),
    (pa.binary(), st.binary(max_size=4)),
    (pa.binary(3), st.binary(min_size=3, max_size=3)),
    (pa.int32(), whole),
    (pa.float64(), st.floats(allow_nan=False).map(lambda x: x + 0.0)),
    (pa.bool_(), st.booleans()),
    (pa.decimal128(9, 2), st.integers(-999, 999).map(lambda n: Decimal(n) / 100)),
    (pa.date32(), st.dates()),
    (pa.timestamp("us", "UTC"), st.datetimes(timezones=st.just(dt.UTC))),
    (pa.list_(pa.string()), st.lists(st.none() | words, max_size=3)),
    (pa.list_(pa.list_(pa.int32())), st.lists(st.lists(whole, max_size=2), max_size=2)),
    (pa.struct([("a", pa.string()), ("b", pa.int32())]),
     st.fixed_dictionaries({"a": st.none() | words, "b": st.none() | whole})),
    (pa.map_(pa.string(), pa.int32()), st.dictionaries(words, st.none() | whole, max_size=2)
     .map(lambda pairs: list(pairs.items()))),
]  # fmt: skip


def text(rows: pa.RecordBatch, cuts: list[int]) -> str:
    digest, bounds = RowsDigest(), [0, *sorted(cuts), rows.num_rows]
    for first, end in pairwise(bounds):
        requests = b"".join(row.to_bytes(DIGEST_BYTES) for row in range(first, end))
        digest.add(requests, rows.slice(first, end - first))
    return digest.text()


@st.composite
def tables(draw: st.DrawFn) -> pa.RecordBatch:
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=3))
    count = draw(st.integers(0, 12))
    columns = [
        pa.array(draw(st.lists(st.none() | values, min_size=count, max_size=count)), kind)
        for kind, values in kinds
    ]
    return pa.RecordBatch.from_arrays(columns, names=[str(n) for n in range(len(columns))])


def through_parquet(rows: pa.RecordBatch, **options: Any) -> pa.RecordBatch:
    """Return the rows as they come back, under the types that the reader gives to columns."""
    file = io.BytesIO()
    pq.write_table(pa.Table.from_batches([rows]), file, **options)
    read = pq.read_table(file, use_threads=False).combine_chunks()
    arrays = [plain(pa.concat_arrays(column.chunks)) for column in read.columns]
    return pa.RecordBatch.from_arrays(arrays, names=rows.schema.names)


@settings(deadline=None)
@given(rows=tables(), data=st.data())
def test_batches_row_groups_and_encodings_do_not_count(
    rows: pa.RecordBatch, data: st.DataObject
) -> None:
    expected = text(rows, [])
    cuts = data.draw(st.lists(st.integers(0, rows.num_rows), max_size=4))
    assert text(rows, cuts) == expected
    if rows.num_rows:
        group = data.draw(st.integers(1, 5))
        stored = through_parquet(
            rows, row_group_size=group, use_dictionary=data.draw(st.booleans())
        )
        assert text(stored, cuts) == expected


@settings(deadline=None)
@given(rows=tables(), data=st.data())
def test_rows_that_differ_in_a_value_or_in_their_order_have_another_digest(
    rows: pa.RecordBatch, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(rows.num_rows)))
    other = rows.take(pa.array(order, pa.int64()))
    assert (text(rows, []) == text(other, [])) == rows.equals(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["", None], [None, ""]),
        ([None, None], [None]),
        ([["a"], []], [[], ["a"]]),
        ([[], None], [None, []]),
        ([["a", None]], [["a"]]),
        ([0, None], [None, 0]),
        ([{"a": None}], [None]),
        ([{"a": "x", "b": ""}], [{"a": "", "b": "x"}]),
    ],
)
def test_what_is_nearly_the_same_is_not(one: list[Any], other: list[Any]) -> None:
    kind = pa.array([*one, *other]).type
    digests = [text(pa.record_batch({"a": pa.array(values, kind)}), []) for values in (one, other)]
    assert digests[0] != digests[1]


def test_requests_count() -> None:
    column = pa.record_batch({"a": ["x"]})
    one, other = RowsDigest(), RowsDigest()
    one.add(b"a" * DIGEST_BYTES, column)
    other.add(b"b" * DIGEST_BYTES, column)
    assert one.text() != other.text()


def test_what_lies_under_a_null_and_how_values_are_held_do_not_count() -> None:
    plain_column = pa.array(["x", None, "x"])
    under = pa.StringArray.from_buffers(
        3, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0\4\0\0\0"), pa.py_buffer(b"xyyx"),
        pa.py_buffer(b"\5"), 1,
    )  # fmt: skip
    assert under.equals(plain_column)
    held = [
        plain_column,
        under,
        plain_column.dictionary_encode(),
        pa.array(["x", None, "x"], pa.large_string()),
        pa.array(["x", None, "x"], pa.string_view()),
        pa.array(["?", "x", None, "x"])[1:],
    ]
    assert len({text(pa.record_batch({"a": column}), []) for column in held}) == 1


def test_the_digest_is_fixed() -> None:
    """It stands in footers: another one would make every run in progress look changed."""
    rows = pa.record_batch(
        {
            "id": pa.array(["u1", None, "ü3"]),
            "n": pa.array([1, None, -3], pa.int64()),
            "l": pa.array([["a", "b"], None, []], pa.list_(pa.string())),
        }
    )
    assert text(rows, []) == "2a3bfdbf1642811c88641d1d2e6fd1cd"
