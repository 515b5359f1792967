"""What happened when: calls, retries, failures and latencies, in slices of time.

A slice begins as 0.1 s and doubles whenever there are too many, so memory has a bound. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

import pyarrow as pa

from worker.report.measure.bins import bins_of, first_bin, quantiles
from worker.report.measure.column import Column, column, pc

SLICE_US = 100_000
SLICES_MAX = 1 << 12
# Nothing for so long, and for a whole slice, and the run was stopped: retries wait 20 s at most.
PAUSE_S = 60
QUANTILES = (0.5, 0.9, 0.99)

# A latency's bin is counted from that of 2**-10 ms; what is below, or beyond 2**22 ms, counts as
# these.
_BIN_BITS = 10
_BIN_FIRST = first_bin(-10)
_BIN_LAST = (1 << _BIN_BITS) - 1

KEYS_MAX = 1 << 17  # some 300 to 2000 slices, by how much latencies differ
_PENDING_MAX = 1 << 16
_ROWS_AT_ONCE = 1 << 12
_COUNTED = ("rows", "calls", "retries", "failed")


@dataclass(frozen=True, slots=True)
class Slice:
    """A span of time, in which the answered attempts of `rows` left and `failed` rows ended."""

    start_s: float  # since the first slice, pauses left out
    at_us: int  # UTC
    seconds: float
    rows: int
    calls: int  # all attempts of these rows
    retries: int  # of these, all but each row's first
    failed: int
    latency_ms: tuple[float, ...] | None  # QUANTILES of answered attempts; None without any


class Timeline:
    """Counts and latencies by slice; two timelines can be added."""

    def __init__(self) -> None:
        self._slice_us = SLICE_US
        self._counts, self._latencies = [_NO_COUNTS], [_NO_KEYS]
        self._pending = 0

    def add_answers(self, at_us: Column, latency_ms: Column, attempts: Column) -> None:
        """Count answered rows by when their answered attempt left; duplicates made none."""
        slices = pc.divide(at_us, self._slice_us)
        is_own = pc.greater(attempts, 0)
        bins = pc.subtract(bins_of(latency_ms.filter(is_own)), _BIN_FIRST)
        least, most = pa.scalar(0, pa.int64()), pa.scalar(_BIN_LAST, pa.int64())
        bins = pc.min_element_wise(pc.max_element_wise(bins, least), most)
        keys = pc.add(pc.shift_left(slices.filter(is_own), _BIN_BITS), bins)
        self._append(_counts(slices, attempts, rows=1), _counted_keys(keys))

    def add_failures(self, at_us: Column, attempts: Column) -> None:
        """Count failed rows by when they failed."""
        self._append(_counts(pc.divide(at_us, self._slice_us), attempts, failed=1), _NO_KEYS)

    def add(self, other: Timeline) -> None:
        """Add another timeline's counts."""
        while self._slice_us < other._slice_us:
            self._double()
        shift = (self._slice_us // other._slice_us).bit_length() - 1
        self._append(
            _shifted(other._settled_counts(), 0, shift),
            _shifted(other._settled_latencies(), _BIN_BITS, shift),
        )

    def slices(self, most: int) -> tuple[list[Slice], list[tuple[float, float]]]:
        """Return at most `most` slices of equal length (the last is shorter), and the pauses.

        A pause is the time since the start after which it came, and its seconds; it is in no
        slice. The run was stopped then, and carried on later.
        """
        self._settle()
        counts = self._counts[0].sort_by("key")
        keys: list[int] = column(counts, "key").to_pylist()
        if not keys:
            return [], []
        positions, pauses = self._positions(keys)
        factor = -(-(positions[-1] + 1) // most)
        groups = [position // factor for position in positions]
        latencies = self._quantiles(column(counts, "key"), groups)
        step_s = self._slice_us / 1e6
        listed = []
        rows = zip(groups, keys, *(counts[name].to_pylist() for name in _COUNTED), strict=True)
        by_group = {group: list(members) for group, members in groupby(rows, lambda row: row[0])}
        at_key = keys[0]
        for group in range(groups[-1] + 1):
            members = by_group.get(group, [])
            at_key = members[0][1] if members else at_key + factor
            lasts = min(factor, positions[-1] + 1 - group * factor)
            listed.append(
                Slice(
                    start_s=group * factor * step_s,
                    at_us=at_key * self._slice_us,
                    seconds=lasts * step_s,
                    rows=sum(member[2] for member in members),
                    calls=sum(member[3] for member in members),
                    retries=sum(member[4] for member in members),
                    failed=sum(member[5] for member in members),
                    latency_ms=latencies.get(group),
                )
            )
        return listed, pauses

    def _positions(self, keys: list[int]) -> tuple[list[int], list[tuple[float, float]]]:
        """Number the slices from 0, pauses left out."""
        positions, pauses, step_s = [0], [], self._slice_us / 1e6
        for before, key in pairwise(keys):
            step = key - before
            if (gap_s := (step - 1) * step_s) > PAUSE_S:
                pauses.append(((positions[-1] + 1) * step_s, gap_s))
                step = 1
            positions.append(positions[-1] + step)
        return positions, pauses

    def _quantiles(self, keys: Column, groups: list[int]) -> dict[int, tuple[float, ...]]:
        """Return each group's latencies; `groups` says which slice of `keys` is in which."""
        table = self._latencies[0].sort_by("key")
        slices = pc.shift_right(column(table, "key"), _BIN_BITS)
        group = pa.array(groups, pa.int64()).take(pc.index_in(slices, value_set=keys))
        members = _rows(table.append_column("group", group))
        return {
            group: tuple(
                round(value, 4)
                for value in quantiles(
                    [((key & _BIN_LAST) + _BIN_FIRST, rows) for key, rows, _ in some], QUANTILES
                )
            )
            for group, some in groupby(members, lambda member: member[2])
        }

    def _append(self, counts: pa.Table, latencies: pa.Table) -> None:
        self._counts.append(counts)
        self._latencies.append(latencies)
        self._pending += counts.num_rows + latencies.num_rows
        if self._pending > _PENDING_MAX:
            self._settle()

    def _settle(self) -> None:
        """Add up what is pending; double the slices while there are too many."""
        self._pending = 0
        self._counts, self._latencies = [self._settled_counts()], [self._settled_latencies()]
        while self._counts[0].num_rows > SLICES_MAX or self._latencies[0].num_rows > KEYS_MAX:
            self._double()

    def _double(self) -> None:
        self._slice_us *= 2
        counts, latencies = pa.concat_tables(self._counts), pa.concat_tables(self._latencies)
        self._counts = [_sums(_shifted(counts, 0, 1))]
        self._latencies = [_sums(_shifted(latencies, _BIN_BITS, 1))]

    def _settled_counts(self) -> pa.Table:
        return _sums(pa.concat_tables(self._counts))

    def _settled_latencies(self) -> pa.Table:
        return _sums(pa.concat_tables(self._latencies))


def _rows(table: pa.Table) -> Iterator[tuple[int, ...]]:
    """Yield a table's rows: Python's objects for them take ten times the memory of its columns."""
    for batch in table.to_batches(max_chunksize=_ROWS_AT_ONCE):
        yield from zip(*(each.to_pylist() for each in batch.columns), strict=True)


def _counts(slices: Column, attempts: Column, *, rows: int = 0, failed: int = 0) -> pa.Table:
    """Return slices and what is counted in them, added up."""
    calls = attempts.cast(pa.int64())
    retries = pc.max_element_wise(pc.subtract(calls, 1), pa.scalar(0, pa.int64()))
    each = [pa.repeat(pa.scalar(count, pa.int64()), len(slices)) for count in (rows, failed)]
    arrays = [slices, each[0], calls, retries, each[1]]
    return _sums(pa.table(dict(zip(("key", *_COUNTED), arrays, strict=True))))


def _counted_keys(keys: Column) -> pa.Table:
    values, counts = pc.value_counts(keys).flatten()
    return pa.table({"key": values, "rows": counts})


def _sums(table: pa.Table) -> pa.Table:
    """Return each key once, with its counts added up."""
    names = table.column_names
    summed = table.group_by("key", use_threads=False).aggregate([(n, "sum") for n in names[1:]])
    return summed.rename_columns(names).combine_chunks()


def _shifted(table: pa.Table, low_bits: int, shift: int) -> pa.Table:
    """Return the table with its slices (the bits above `low_bits`) made 2**shift times as long."""
    key = column(table, "key")
    low = pc.bit_wise_and(key, (1 << low_bits) - 1)
    high = pc.shift_left(pc.shift_right(key, low_bits + shift), low_bits)
    return table.set_column(0, "key", pc.bit_wise_or(high, low))


_NOTHING = pa.array([], pa.int64())
_NO_COUNTS, _NO_KEYS = _counts(_NOTHING, _NOTHING), _counted_keys(_NOTHING)
