"""Columns as filters ask them: which rows hold one of these values, which compare how.

Built once when filters are compiled, so that a request costs a few passes over arrays of numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.tables import find_column, is_text

Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]

_SEPARATOR: Final = "|"  # between the values of one cell (page for categorical metadata)
_NUMBER: Final = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_SHOWN_MAX: Final = 30  # characters of an example


class Cells:
    """A column as lists of strings: a cell "a|b" holds a and b, a null one nothing."""

    def __init__(self, cells: Any, *, single: bool) -> None:
        self._cells = cells
        self._single = single

    def at(self, row: int) -> list[str]:
        """Return the values of one row."""
        text = self._cells[row].as_py()
        if text is None:
            return []
        return [text] if self._single else text.split(_SEPARATOR)


class Texts(Cells):
    """Cells, and which rows hold a value."""

    def __init__(self, cells: Any, *, single: bool) -> None:
        super().__init__(cells, single=single)
        self.present: Bools = cells.is_valid().to_numpy(zero_copy_only=False)
        if single:
            values, rows = cells.drop_null(), np.flatnonzero(self.present)
        else:
            lists: Any = pc.split_pattern(cells, _SEPARATOR)
            values, rows = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
        encoded = values.dictionary_encode()
        codes = encoded.indices.to_numpy()
        self._rows: _Ints = rows[np.argsort(codes, kind="stable")]
        self._start = np.concatenate([[0], np.cumsum(np.bincount(codes))])
        self._codes = {value: n for n, value in enumerate(encoded.dictionary.to_pylist())}

    def holding(self, values: Iterable[str]) -> Bools:
        """Return which rows hold at least one of the values."""
        mask = np.zeros(len(self.present), dtype=np.bool_)
        for value in values:
            code = self._codes.get(value)
            if code is not None:
                mask[self._rows[self._start[code] : self._start[code + 1]]] = True
        return mask


class Numbers:
    """A column as numbers; NaN counts as null."""

    def __init__(self, cells: Any) -> None:
        valid: Bools = cells.is_valid().to_numpy(zero_copy_only=False)
        self.values: npt.NDArray[Any] = cells.fill_null(0).to_numpy()
        self.present = valid & (self.values == self.values)

    def comparing(self, operator: str, value: float) -> Bools:
        """Return which rows hold a number that stands so to `value`."""
        rows: Bools = compare(operator, self.values, value) & self.present
        return rows

    def cell(self, row: int) -> int | float | None:
        """Return the number of one row."""
        number: int | float = self.values[row].item()
        return number if self.present[row] else None


def compare(operator: str, left: Any, right: Any) -> Any:
    """Return `left operator right` for one of the six comparisons, on arrays or numbers."""
    match operator:
        case "=":
            return left == right
        case "!=":
            return left != right
        case "<":
            return left < right
        case "<=":
            return left <= right
        case ">":
            return left > right
        case _:
            return left >= right


class Columns:
    """The columns of one table by name, whatever its case, each made when first asked for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self.size = table.num_rows
        self._texts: dict[str, Texts] = {}
        self._numbers: dict[str, Numbers | None] = {}

    @property
    def names(self) -> list[str]:
        """The columns' names as the file spells them, the ID first."""
        return self._table.column_names

    def find(self, name: str) -> str | None:
        """Return the spelling under which the other methods know a column, or None."""
        return find_column(self._table, name)

    def kind(self, spelling: str) -> pa.DataType:
        """Return the type of a column's values."""
        kind: Any = self._table.column(spelling).type
        found: pa.DataType = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
        return found

    def cells(self, spelling: str) -> Cells:
        """Return a column of texts or numbers; numbers are written as in metadataColumns."""
        return Cells(self._plain(spelling).cast(pa.string()), single=self._is_id(spelling))

    def texts(self, spelling: str) -> Texts:
        """Return the same in a form that finds rows."""
        if spelling not in self._texts:
            cells = self._plain(spelling).cast(pa.string())
            self._texts[spelling] = Texts(cells, single=self._is_id(spelling))
        return self._texts[spelling]

    def numbers(self, spelling: str) -> Numbers | None:
        """Return a column as numbers, or None if it is text that has anything else in it.

        Text that is all numbers counts, because a CSV file has no types.
        """
        if spelling not in self._numbers:
            self._numbers[spelling] = _numbers(self._plain(spelling), self.kind(spelling))
        return self._numbers[spelling]

    def no_number(self, spelling: str) -> str:
        """Return the first text of a column that is no number, as an example."""
        texts: Any = self._plain(spelling).cast(pa.string())
        others = texts.filter(pc.invert(pc.match_substring_regex(texts, _NUMBER)))
        return others[0].as_py()[:_SHOWN_MAX] if len(others) else ""

    def _is_id(self, spelling: str) -> bool:
        return spelling == self.names[0]  # it holds one value, whatever is in it

    def _plain(self, spelling: str) -> Any:
        kind, column = self.kind(spelling), self._table.column(spelling)
        cells: Any = column.cast(kind).combine_chunks()
        if pa.types.is_floating(kind):  # NaN counts as null
            return pc.if_else(pc.is_nan(cells.cast(pa.float64())), None, cells)
        return cells


def _numbers(cells: Any, kind: pa.DataType) -> Numbers | None:
    if kind == pa.float32():  # the number as it was written: 1.1, not 1.100000023841858
        cells = cells.cast(pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Numbers(cells.cast(pa.float64()))
    wide = pa.uint64() if kind == pa.uint64() else pa.int64()
    for candidate in (wide, pa.float64()):
        try:
            return Numbers(cells.cast(candidate))
        except pa.ArrowInvalid:  # some text is no such number
            continue
    return None


def is_filterable(kind: pa.DataType) -> bool:
    """Tell whether a column of this type can be filtered by: text or numbers."""
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return numeric or is_text(kind) or pa.types.is_null(kind)
