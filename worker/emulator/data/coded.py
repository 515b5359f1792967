"""Columns of few distinct values as integer codes: what each interaction was, and in what context.

Light enough for every column of millions of interactions: four bytes a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.tables import decoded, has_text

VALUES_MAX: Final = 10_000
"""Distinct values up to which a column says anything about items; one with more is kept by name."""

_NOT_COLUMNS: Final = frozenset({"USER_ID", "ITEM_ID", "TIMESTAMP"})


@dataclass(frozen=True, slots=True)
class Coded:
    """`codes[n]` is the position of row n's value in `values`, which are sorted; -1 for null."""

    values: list[str]
    codes: npt.NDArray[np.int32]

    def only(self, keep: npt.NDArray[np.bool_]) -> Coded:
        """Return the rows where `keep` is true."""
        return Coded(self.values, self.codes[keep])

    def rows_of(self, value: str) -> npt.NDArray[np.bool_]:
        """Tell which rows have a value, whatever its case: how the service matches event types."""
        wanted = [code for code, each in enumerate(self.values) if each.lower() == value.lower()]
        return np.isin(self.codes, np.array(wanted, dtype=np.int32))


def coded_columns(interactions: pa.Table) -> Mapping[str, Coded]:
    """Return the columns of an interactions table but its keys, by name in upper case.

    Columns that cannot be text, and those with too many values to learn from, have no values.
    """
    columns: dict[str, Coded] = {}
    for name, column in zip(interactions.column_names, interactions.columns, strict=True):
        if name.upper() not in _NOT_COLUMNS:
            columns.setdefault(name.upper(), _coded(column))
    return columns


def _coded(column: Any) -> Coded:
    nothing = Coded([], np.full(len(column), -1, dtype=np.int32))
    column = decoded(column)
    if not has_text(column.type):
        return nothing
    text: Any = column.cast(pa.string())
    values: Any = pc.drop_null(pc.unique(text))
    if len(values) > VALUES_MAX:
        return nothing
    values = values.take(pc.sort_indices(values))
    codes: Any = pc.fill_null(pc.index_in(text, value_set=values, skip_nulls=True), -1)
    return Coded(values.to_pylist(), codes.to_numpy().astype(np.int32))
