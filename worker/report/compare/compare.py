"""Two runs compared, row by row: rows meet by their ID columns, lists by their entries.

Memory: a bucket of rows of each run, some million entries; and the items of both.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import pyarrow as pa

from worker.config.model import Config
from worker.config.rules import LISTS_ALIKE_BY_CHANCE
from worker.errors import ConfigError
from worker.report.compare.buckets import BITS_MAX, ROWS, Buckets, two_bucketed
from worker.report.compare.rank_biased import rank_biased
from worker.report.measure.column import Column, column, counted, pc, total
from worker.report.measure.counts import EntryCounts
from worker.report.measure.hashes import U64, hash_lists, mix
from worker.report.measure.parallel import in_order
from worker.report.measure.rows import read_metadata, read_rows
from worker.report.measure.shared_lists import SharedLists
from worker.report.source import RunFiles
from worker.runtime.descriptors import room
from worker.runtime.housekeeping import Housekeeping

DEPTHS = (5, 10, 25)
ENTRIES_PER_BUCKET = 1 << 20
_TENTHS_OF = 10  # the depth whose overlaps are counted by tenths


@dataclass
class Side:
    """The numbers of one run alone."""

    rows: int = 0
    empty: int = 0
    fallback: int = 0
    shared: Column = field(default_factory=lambda: pa.array([], U64))  # fallback lists
    entries: EntryCounts = field(default_factory=EntryCounts)


@dataclass
class Comparison:
    """Two runs' difference. Sums are over `compared`: rows of both, with a list in either."""

    old: Side
    new: Side
    both: int = 0
    compared: int = 0
    overlap_sums: dict[int, float] = field(default_factory=lambda: dict.fromkeys(DEPTHS, 0.0))
    tenths: list[int] = field(default_factory=lambda: [0] * 11)  # rows by overlap@10, rounded
    rank_biased_sum: float = 0.0
    jaccard_sum: float = 0.0
    same_list: int = 0
    same_first: int = 0
    moved: int = 0  # rows with an entry in common
    moved_sum: float = 0.0  # of each of these, the mean of its entries' rank changes, unsigned
    became_empty: int = 0
    no_longer_empty: int = 0
    became_fallback: int = 0
    no_longer_fallback: int = 0

    def overlap(self, depth: int) -> float | None:
        """Return the mean overlap of the first `depth` entries; None when no row compares."""
        return self.overlap_sums[depth] / self.compared if self.compared else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChange:
    """An item or action, and how many rows it is recommended in."""

    id: str
    old: int
    new: int
    change: int


def kind_of(config: Config) -> str:
    """Return what a run's rows and results are: only runs of the same kind compare."""
    columns = config.input.columns
    ids = [name for name in ("user_id", "item_id") if getattr(columns, name)]
    what = "actions" if config.target.operation.value == "GetActionRecommendations" else "items"
    return f"{what} by {' and '.join(ids)}"


def check_comparable(old: Config, new: Config) -> None:
    """Raise ConfigError when the two configs' runs do not compare."""
    if kind_of(old) != kind_of(new):
        raise ConfigError(
            f"the old run is of {kind_of(old)}, the new one of {kind_of(new)}",
            hint="compare runs whose rows have the same IDs, and whose results are of one kind",
        )


def compare(
    old: RunFiles,
    new: RunFiles,
    *,
    entries_per_bucket: int = ENTRIES_PER_BUCKET,
    workers: int | None = None,
    housekeeping: Housekeeping | None = None,
) -> Comparison:
    """Compare what is committed of two runs, in either layout.

    So many parts are read beside each other as `in_order` says. Rows with the same IDs are paired
    in their order. Raises ConfigError when the runs do not compare, ConflictError when a part
    cannot be read, OutputError when there is no room.
    """
    check_comparable(old.config, new.config)
    housekeeping = housekeeping or Housekeeping()
    entries = max(_entries(old), _entries(new))
    bits = min(BITS_MAX, max(0, (entries - 1) // entries_per_bucket).bit_length())
    bits = min(bits, max(1, room() // 2).bit_length() - 1)  # a file for each bucket of each run
    with two_bucketed(bits) as (old_rows, new_rows):
        old_side = _side(old, old_rows, workers, housekeeping)
        found = Comparison(old_side, _side(new, new_rows, workers, housekeeping))
        for old_bucket, new_bucket in zip(old_rows.read(), new_rows.read(), strict=True):
            _compare_bucket(found, old_bucket, new_bucket)
            housekeeping.between_batches()
    return found


def _entries(files: RunFiles) -> int:
    """Return about how many entries and rows the parts have, from their footers."""
    total = 0
    for name in files.part_names:
        metadata = read_metadata(files, name)
        for group in map(metadata.row_group, range(metadata.num_row_groups)):
            columns = map(group.column, range(group.num_columns))
            total += max(column.num_values for column in columns)
    return total


def _side(
    files: RunFiles, buckets: Buckets, workers: int | None, housekeeping: Housekeeping
) -> Side:
    side, lists = Side(), SharedLists()
    read = functools.partial(_read_part, files)
    parts = in_order(read, len(files.part_names), workers=workers)
    for rows, entries in parts:
        lengths = pc.list_value_length(column(rows, "entries"))
        side.rows += rows.num_rows
        side.empty += total(pc.equal(lengths, 0))
        side.entries.add(entries)
        judged = rows.filter(pc.greater_equal(lengths, LISTS_ALIKE_BY_CHANCE)).combine_chunks()
        for batch in judged.to_batches():
            nowhere = pa.nulls(len(batch), pa.int64())
            lists.add(batch.column("list"), batch.column("key"), nowhere)
        buckets.add(rows)
        housekeeping.between_parts()
    shared = lists.shared(side.rows)
    side.fallback = sum(one.rows for one in shared)
    side.shared = pa.array([one.list for one in shared], U64)
    return side


def _read_part(files: RunFiles, number: int) -> tuple[pa.Table, EntryCounts]:
    counts, batches = EntryCounts(), []
    for rows in read_rows(files, files.part_names[number], files.result_id_columns):
        hashes = rows.entry_hashes()
        lists = pa.ListArray.from_arrays(rows.offsets, hashes)
        who, whole = rows.who(files.result_id_columns), hash_lists(hashes, rows.offsets)
        counts.add_entries(rows.entries)
        batches.append(pa.RecordBatch.from_arrays([who, whole, lists], schema=ROWS))
    counts.table()
    return pa.Table.from_batches(batches, schema=ROWS), counts


def _compare_bucket(found: Comparison, old: pa.Table, new: pa.Table) -> None:
    old, new = _numbered(old), _numbered(new)
    at = pc.index_in(column(new, "key"), value_set=column(old, "key"))
    is_in_both = at.is_valid()
    new = new.filter(is_in_both).combine_chunks()
    old = old.take(at.filter(is_in_both)).combine_chunks()
    found.both += new.num_rows
    if new.num_rows:
        _compare_flags(found, old, new)
        _compare_lists(found, _Lists(old), _Lists(new))


def _numbered(rows: pa.Table) -> pa.Table:
    """Return the rows with a new key for each but the first that have the same: order counts."""
    if pc.count_distinct(column(rows, "key")).as_py() == rows.num_rows:
        return rows
    rows = rows.take(pc.sort_indices(column(rows, "key"))).combine_chunks()  # the sort is stable
    key = column(rows, "key")
    one = pa.scalar(1, U64)
    place = pc.subtract(pc.cumulative_sum(pa.repeat(one, len(key))), one)
    is_first = pa.concat_arrays([pa.array([True]), pc.not_equal(key[1:], key[:-1])])
    first = pc.cumulative_max(pc.if_else(is_first, place, pa.scalar(0, U64)))
    again = mix(pc.add(mix(key), pc.subtract(place, first)))
    return rows.set_column(0, "key", pc.if_else(is_first, key, again))


def _compare_flags(found: Comparison, old: pa.Table, new: pa.Table) -> None:
    old_empty, new_empty = (
        pc.equal(pc.list_value_length(column(t, "entries")), 0) for t in (old, new)
    )
    found.became_empty += total(pc.and_not(new_empty, old_empty))
    found.no_longer_empty += total(pc.and_not(old_empty, new_empty))
    was = pc.is_in(column(old, "list"), value_set=found.old.shared)
    is_ = pc.is_in(column(new, "list"), value_set=found.new.shared)
    found.became_fallback += total(pc.and_not(is_, was))
    found.no_longer_fallback += total(pc.and_not(was, is_))
    is_same = pc.equal(column(old, "list"), column(new, "list"))
    found.same_list += total(pc.and_not(is_same, new_empty))


class _Lists:
    """A bucket's lists, flat: each entry with its row and its place in its list, from 0."""

    def __init__(self, rows: pa.Table) -> None:
        lists = column(rows, "entries")
        self.entries: Column = lists.flatten()
        self.row: Column = pc.list_parent_indices(lists).cast(pa.int64())
        offsets = pc.subtract(lists.offsets, lists.offsets[0]).cast(pa.int64())
        self.starts, self.ends = offsets[:-1], offsets[1:]
        self.lengths = pc.subtract(self.ends, self.starts)
        self.keys = mix(pc.add(self.entries, mix(self.row.cast(U64))))

    def place(self, flat: Column, row: Column) -> Column:
        """Return where in their lists entries are, given where in the bucket."""
        return pc.subtract(flat, self.starts.take(row))

    def sums(self, values: Column) -> Column:
        """Return each row's sum of `values`, of which there is one for each entry."""
        zero = pa.array([0], values.type)
        sums = pa.concat_arrays([zero, pc.cumulative_sum(pc.fill_null(values, 0))])
        return pc.subtract(sums.take(self.ends), sums.take(self.starts))


def _compare_lists(found: Comparison, old: _Lists, new: _Lists) -> None:
    longest = pc.max_element_wise(old.lengths, new.lengths)
    is_compared = pc.greater(longest, 0)
    found.compared += total(is_compared)
    at = pc.index_in(new.keys, value_set=old.keys).cast(pa.int64())
    flat = pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(at))), 1)
    old_place, new_place = old.place(at, new.row), new.place(flat, new.row)
    depth = pc.max_element_wise(old_place, new_place, skip_nulls=False)
    for most in DEPTHS:
        hits = new.sums(pc.less(depth, most).cast(pa.int64()))
        of = pc.min_element_wise(longest, pa.scalar(most, pa.int64()))
        overlap = pc.divide(hits.cast(pa.float64()), of.cast(pa.float64())).filter(is_compared)
        found.overlap_sums[most] += total(overlap)
        if most == _TENTHS_OF:
            for tenth, rows in counted(pc.round(pc.multiply(overlap, 10.0))):
                found.tenths[int(tenth)] += rows
    common = new.sums(at.is_valid().cast(pa.int64()))
    union = pc.subtract(pc.add(old.lengths, new.lengths), common)
    jaccard = pc.divide(common.cast(pa.float64()), union.cast(pa.float64())).filter(is_compared)
    found.jaccard_sum += total(jaccard)
    shortest = pc.min_element_wise(old.lengths, new.lengths)
    found.rank_biased_sum += total(rank_biased(depth, new.row, new.sums, shortest, longest))
    found.same_first += total(pc.equal(depth, 0))
    has_common = pc.greater(common, 0)
    changes = new.sums(pc.abs(pc.subtract(old_place, new_place))).filter(has_common)
    means = pc.divide(changes.cast(pa.float64()), common.filter(has_common).cast(pa.float64()))
    found.moved += total(has_common)
    found.moved_sum += total(means)


def changes(found: Comparison, most: int) -> tuple[list[EntryChange], list[EntryChange]]:
    """Return the entries that gained and that lost the most rows."""
    joined = _joined(found)
    gains = joined.sort_by([("change", "descending"), ("id", "ascending")])[:most].to_pylist()
    losses = joined.sort_by([("change", "ascending"), ("id", "ascending")])[:most].to_pylist()
    return (
        [EntryChange(**entry) for entry in gains if entry["change"] > 0],
        [EntryChange(**entry) for entry in losses if entry["change"] < 0],
    )


def came_and_went(found: Comparison) -> tuple[int, int]:
    """Return how many entries only the new run has, and how many only the old one."""
    joined = _joined(found)
    return total(pc.equal(column(joined, "old"), 0)), total(pc.equal(column(joined, "new"), 0))


def _joined(found: Comparison) -> pa.Table:
    old = found.old.entries.table().rename_columns(["id", "old"])
    new = found.new.entries.table().rename_columns(["id", "new"])
    joined = old.join(new, "id", join_type="full outer", use_threads=False)
    was, is_ = (pc.fill_null(column(joined, name), 0) for name in ("old", "new"))
    ids = column(joined, "id")
    return pa.table({"id": ids, "old": was, "new": is_, "change": pc.subtract(is_, was)})
