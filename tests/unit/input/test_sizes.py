"""How many bytes rows have, and where they are cut by them."""

from __future__ import annotations

import itertools
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.input.sizes import cut, rows_bytes, value_bytes

TEXT = st.text("aé", max_size=6) | st.none()


@given(st.lists(st.integers(0, 9)), st.integers(0, 12))
def test_pieces_follow_each_other_and_have_the_bytes_or_one_row(
    sizes: list[int], most: int
) -> None:
    pieces = [*cut(sizes, most)]
    assert [row for begin, end in pieces for row in range(begin, end)] == [*range(len(sizes))]
    for begin, end in pieces:
        assert sum(sizes[begin:end]) <= most or end == begin + 1
    for (begin, end), (_, following) in itertools.pairwise(pieces):
        assert following > end
        assert sum(sizes[begin:end]) + sizes[end] > most  # no piece is smaller than it has to be


def utf8(value: str | None) -> int:
    return len((value or "").encode())


@given(st.lists(st.tuples(TEXT, st.none() | st.lists(TEXT, max_size=3)), max_size=6), st.data())
@pytest.mark.parametrize("text", [pa.string(), pa.large_string(), pa.string_view()])
@pytest.mark.parametrize("list_of", [pa.list_, pa.large_list])
def test_a_row_has_the_bytes_of_its_text_also_in_lists_and_slices(
    text: pa.DataType, list_of: Any, rows: list[tuple[Any, Any]], data: st.DataObject
) -> None:
    inner = pa.string() if pa.types.is_string_view(text) else text
    batch = pa.RecordBatch.from_arrays(
        [pa.array([a for a, _ in rows], text), pa.array([b for _, b in rows], list_of(inner))],
        names=["a", "b"],
    )
    begin = data.draw(st.integers(0, len(rows)))
    found = rows_bytes(batch.slice(begin))
    wanted = [4 + utf8(a) + 4 + sum(4 + utf8(each) for each in b or []) for a, b in rows]
    assert found == wanted[begin:]


@pytest.mark.parametrize(
    ("values", "kind", "wanted"),
    [
        ([1, None], pa.int64(), [8, 8]),
        ([{"a": 1, "b": "xyz"}, None], pa.struct([("a", pa.int32()), ("b", pa.string())]), [12, 9]),
        ([[("k", "val")], None, []], pa.map_(pa.string(), pa.string()), [16, 4, 4]),
        ([[1, 2], [3, 4]], pa.list_(pa.int32(), 2), [8, 8]),
        ([None, None], pa.null(), [0, 0]),
    ],
)
def test_values_of_other_types_have_their_own_bytes(
    values: list[Any], kind: pa.DataType, wanted: list[int]
) -> None:
    assert value_bytes(pa.array(values, kind)).to_pylist() == wanted
    assert value_bytes(pa.array(values, kind).slice(1)).to_pylist() == wanted[1:]


def test_a_dictionary_counts_as_what_it_is_decoded_to() -> None:
    text = pa.array(["x" * 1000, "y", None, "x" * 1000]).dictionary_encode()
    assert value_bytes(text).to_pylist() == [1004, 5, 0, 1004]
