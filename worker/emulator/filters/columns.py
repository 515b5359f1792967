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

from worker.emulator.data.datasets import Data
from worker.emulator.data.tables import find_column, is_text

Bools = npt.NDArray[np.bool_]
_Ints = npt.NDArray[np.int64]

RECENT_MAX: Final = 100
"""Interactions per user and event type that filters see (page filter-expressions)."""

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


class Events:
    """Each user's most recent interactions of each event type; types match in any case."""

    def __init__(self, data: Data) -> None:
        self._size = len(data.item_ids)
        dictionary = [str(each).casefold() for each in data.event_types.dictionary.to_pylist()]
        self._codes = {value: n for n, value in enumerate(dict.fromkeys(dictionary))}
        no_type = len(self._codes)  # one group for interactions whose type is null
        recode = np.array([*(self._codes[value] for value in dictionary), no_type], dtype=np.int64)
        indices: Any = data.event_types.indices
        types = recode[indices.fill_null(len(dictionary)).to_numpy()]
        group = data.user_codes.astype(np.int64) * (no_type + 1) + types
        # Of interactions at the same second the higher item code counts as later.
        order = np.lexsort((data.item_codes, data.timestamps, group))
        group = group[order]
        # Within a group the latest come last: all but those with as many after them are kept.
        recent = order[~_same_later(group, by=RECENT_MAX)]
        self._items = data.item_codes[recent]
        self._types = types[recent]
        users = np.arange(len(data.user_ids) + 1)
        self._start = np.searchsorted(data.user_codes[recent], users).tolist()

    @property
    def recorded(self) -> bool:
        """Whether any interaction has an event type."""
        return bool(self._codes)

    def wanted(self, types: Iterable[str]) -> Bools | None:
        """Return a table of which types are meant, or None for all of them ("*")."""
        table = np.zeros(len(self._codes) + 1, dtype=np.bool_)
        for each in types:
            if each == "*":
                return None
            code = self._codes.get(each.casefold())
            if code is not None:
                table[code] = True
        return table

    def touched(self, user: int | None, wanted: Bools | None) -> Bools:
        """Return the items that a user has interacted with by one of the wanted types."""
        mask = np.zeros(self._size, dtype=np.bool_)
        if user is not None:
            own = slice(self._start[user], self._start[user + 1])
            items = self._items[own]
            mask[items if wanted is None else items[wanted[self._types[own]]]] = True
        return mask


def _same_later(values: npt.NDArray[np.int64], *, by: int) -> Bools:
    """Return where a sorted array has the same value `by` places later."""
    same = np.zeros(len(values), dtype=np.bool_)
    same[:-by] = values[by:] == values[:-by]
    return same
