"""Arrow columns, typed as the kernels of pyarrow.compute take them."""

from __future__ import annotations

from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute

# The stubs' overloads know neither plain numbers beside arrays nor arrays of chunks.
Column: TypeAlias = Any
pc: Any = pyarrow.compute


def column(table: pa.Table, name: str) -> Column:
    """Return a table's column in one piece."""
    return table[name].combine_chunks()


def counted(values: Column) -> list[tuple[int, int]]:
    """Return each of `values` once, with how often it came."""
    distinct, counts = pc.value_counts(values).flatten()
    return list(zip(distinct.to_pylist(), counts.to_pylist(), strict=True))


def total(values: Column) -> Any:
    """Return the sum, an int or a float, or how many are true; 0 of nothing."""
    return pc.sum(values).as_py() or 0
