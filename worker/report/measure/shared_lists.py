"""Lists that many rows share, found in bounded memory: what unknown and new users get.

The service answers an unknown user with popular items, and an unknown item of Similar-Items too
(aws-samples, PersonalizeCheatSheet2.0.md; AWS developer guide, native-recipe-similar-items). The
answer is a success and says nothing of it, but it is the same for all of them.
"""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from worker.report.measure.column import Column, column, pc
from worker.report.measure.hashes import U64

ROWS_MIN = 10
SHARE_MIN = 1e-4  # of all rows with a result
LISTS_MAX = 1 << 16  # kept at most; beyond it each count is at most rows / LISTS_MAX too low
_PENDING_MAX = 1 << 17

_SCHEMA = pa.schema(
    [("list", U64), ("rows", pa.int64()), ("who_min", U64), ("who_max", U64), ("first", pa.int64())]
)


class SharedList(NamedTuple):
    """A list that at least `rows` rows have; the row `first` is one of them."""

    list: int
    rows: int
    first: int


class SharedLists:
    """Counts equal lists: exactly up to `lists_max` different ones, then the frequent ones.

    Beyond that the smallest counts are taken off all (Misra and Gries, "Finding repeated elements",
    1982), so what is frequent stays, with a count that is a little too low.
    """

    def __init__(self, *, lists_max: int = LISTS_MAX, pending_max: int = _PENDING_MAX) -> None:
        self._lists_max = lists_max
        self._pending_max = pending_max
        self._tables = [_SCHEMA.empty_table()]
        self._pending = 0

    def add(self, lists: Column, who: Column, rows: Column) -> None:
        """Count rows: each one's list and who it is, as hashes, and its number."""
        once = pa.repeat(pa.scalar(1, pa.int64()), len(lists))
        self._tables.append(pa.Table.from_arrays([lists, once, who, who, rows], schema=_SCHEMA))
        self._pending += len(lists)
        if self._pending >= self._pending_max:
            self._settle()

    def shared(self, rows_with_result: int) -> list[SharedList]:
        """Return the lists that count as shared, the most frequent first."""
        counts = self._settle()
        least = max(ROWS_MIN, SHARE_MIN * rows_with_result)
        is_shared = pc.and_(
            pc.greater_equal(column(counts, "rows"), pa.scalar(least)),
            pc.not_equal(column(counts, "who_min"), column(counts, "who_max")),
        )
        found = counts.filter(is_shared).sort_by([("rows", "descending"), ("first", "ascending")])
        return [
            SharedList(row["list"], row["rows"], row["first"])
            for row in found.select(["list", "rows", "first"]).to_pylist()
        ]

    def _settle(self) -> pa.Table:
        """Add up what is pending; keep the most frequent."""
        counts = (
            pa.concat_tables(self._tables)
            .group_by("list", use_threads=False)
            .aggregate([("rows", "sum"), ("who_min", "min"), ("who_max", "max"), ("first", "min")])
            .rename_columns(_SCHEMA.names)
        )
        if counts.num_rows > self._lists_max:
            off = column(counts, "rows").take(
                pc.select_k_unstable(
                    column(counts, "rows"), self._lists_max + 1, [("rows", "descending")]
                )
            )[-1]
            counts = counts.set_column(1, "rows", pc.subtract(column(counts, "rows"), off))
            counts = counts.filter(pc.greater(column(counts, "rows"), 0))
        self._tables, self._pending = [counts.combine_chunks()], 0
        return counts
