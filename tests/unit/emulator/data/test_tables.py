"""Rows that repeat another one: left out, whatever the types, the nulls and the chunks."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.emulator.data import tables
from worker.emulator.data.tables import unique_rows

ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "", "a", "b"]),
        st.sampled_from([None, 0, 1, 2**62]),
        st.sampled_from([None, 0.5, 1e300]),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)
KINDS = (pa.string(), pa.int64(), pa.float64(), pa.bool_())


@settings(derandomize=True, max_examples=80)
@given(rows=ROWS, cut=st.integers(0, 60), keys_max=st.sampled_from([1, 7, tables._KEYS_MAX]))
def test_each_row_is_there_once_in_the_order_of_its_first(
    rows: list[tuple[Any, ...]], cut: int, keys_max: int
) -> None:
    columns = {
        f"C{n}": pa.chunked_array([pa.array([row[n] for row in part], kind) for part in parts])
        for n, kind in enumerate(KINDS)
        for parts in [(rows[:cut], rows[cut:])]
    }
    columns["D"] = columns["C0"].dictionary_encode()
    with patch.object(tables, "_KEYS_MAX", keys_max):  # as many columns of many values would
        found = unique_rows(pa.table(columns)).select(["C0", "C1", "C2", "C3"]).to_pylist()
    assert [tuple(row.values()) for row in found] == list(dict.fromkeys(rows))


@pytest.mark.parametrize("lists", [[[1], [1], [2]], [[1], [2], [2]]])
def test_lists_are_not_compared(lists: list[list[int]]) -> None:
    table = pa.table({"ID": ["a", "a", "b"], "LIST": lists})
    assert unique_rows(table).column("ID").to_pylist() == ["a", "b"]
