"""What a run's files come to. Parts are measured beside each other; memory: a row group each."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from worker.codec.texts import text_column
from worker.config.rules import LISTS_ALIKE_BY_CHANCE
from worker.output.books import Books, read_books
from worker.report.measure import failures
from worker.report.measure.column import Column, counted, pc, total
from worker.report.measure.counts import EntryCounts, Scores
from worker.report.measure.failures import Failures
from worker.report.measure.hashes import hash_lists
from worker.report.measure.origins import Origins
from worker.report.measure.parallel import ahead, in_order
from worker.report.measure.rows import Rows, read_failed, read_rows
from worker.report.measure.shared_lists import SharedList, SharedLists
from worker.report.measure.timeline import Timeline
from worker.report.source import RunFiles
from worker.runtime.housekeeping import Housekeeping

CALL_COLUMNS = ("requested_at", "latency_ms", "attempts")
_ROW_BITS = 40  # of a row's number: those above are its part's
_TIDY_TIMES = 2  # row groups: some of what each of them takes stays as holes in the heap


@dataclass
class Measured:
    """The numbers of one part, or of a run."""

    books: Books = field(default_factory=Books)
    results: int = 0
    empty: int = 0
    short: int = 0  # fewer entries than asked for, the empty ones too
    lengths: Counter[int] = field(default_factory=Counter)  # rows by their number of entries
    entries: EntryCounts = field(default_factory=EntryCounts)
    scores: Scores = field(default_factory=Scores)
    origins: Origins = field(default_factory=Origins)
    timeline: Timeline = field(default_factory=Timeline)
    failures: Failures = field(default_factory=Failures)
    lists: list[tuple[Column, ...]] = field(default_factory=list)  # for SharedLists.add

    def add(self, other: Measured) -> None:
        """Add another part's numbers; `lists` are the caller's to count."""
        self.books.add(other.books)
        self.results += other.results
        self.empty += other.empty
        self.short += other.short
        self.lengths += other.lengths
        self.entries.add(other.entries)
        self.scores.add(other.scores)
        self.origins.add(other.origins)
        self.timeline.add(other.timeline)
        self.failures.add(other.failures)


@dataclass(frozen=True)
class Measures:
    """The numbers of a run's committed parts."""

    total: Measured
    shared: list[SharedList]  # the most frequent first
    is_short_known: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A shared list: how many have it, one of them, its first entries."""

    rows: int
    who: str
    entries: tuple[str, ...]
    has_more: bool


def examples(files: RunFiles, shared: Sequence[SharedList], *, entries_max: int) -> list[Example]:
    """Return these lists with what they hold, read back from their first rows."""
    return [_example(files, one, entries_max) for one in shared]


def measure(
    files: RunFiles, *, workers: int | None = None, housekeeping: Housekeeping | None = None
) -> Measures:
    """Read every committed part, and `_errors/`; raise ConflictError when one cannot be read.

    So many parts are read beside each other as `in_order` says.
    """
    whole, lists, housekeeping = Measured(), SharedLists(), housekeeping or Housekeeping()
    measured = functools.partial(_measure_part, files, housekeeping)
    parts = in_order(measured, len(files.part_names), workers=workers)
    for part in parts:
        whole.add(part)
        while part.lists:  # the largest that it has: not kept beside the next part's
            lists.add(*part.lists.pop())
        housekeeping.between_parts()
    return Measures(
        total=whole,
        shared=lists.shared(whole.results),
        is_short_known=files.asked_default is not None,
    )


def _measure_part(files: RunFiles, housekeeping: Housekeeping, number: int) -> Measured:
    name = files.part_names[number]
    part = Measured(books=read_books(files.store, name))
    asked = [files.asked_column] if files.asked_column else []
    wanted = tuple(dict.fromkeys((*files.result_id_columns, *CALL_COLUMNS, *asked)))
    for times, rows in enumerate(ahead(read_rows(files, name, wanted, beside=True)), 1):
        _add_rows(part, files, rows, first=(number << _ROW_BITS) + part.results)
        if times % _TIDY_TIMES == 0:
            housekeeping.between_batches()
    errors_name = f"_errors/{name}"
    if errors_name in files.errors_names:
        for ids, batch in read_failed(files, errors_name, failures.COLUMNS):
            part.failures.add_rows(ids, batch)
            failed_at = batch.column("failed_at").cast(pa.int64())
            part.timeline.add_failures(failed_at, batch.column("attempts"))
    return part


def _add_rows(part: Measured, files: RunFiles, rows: Rows, *, first: int) -> None:
    lengths, columns = rows.lengths, rows.columns
    part.results += len(lengths)
    part.empty += total(pc.equal(lengths, 0))
    if files.asked_default is not None:
        part.short += total(pc.less(lengths, _asked(files, columns)))
    part.lengths += Counter(dict(counted(lengths)))
    part.entries.add_entries(rows.entries)
    part.scores.add_scores(rows.beside["score"])
    part.origins.add_entries(rows.beside.get("promotion_name"), rows.beside.get("reason"))
    at_us = columns.column("requested_at").cast(pa.int64())
    part.timeline.add_answers(at_us, columns.column("latency_ms"), columns.column("attempts"))
    hashes = hash_lists(rows.entry_hashes(), rows.offsets)
    numbers = pc.add(pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(hashes))), first - 1)
    is_long = pc.greater_equal(lengths, LISTS_ALIKE_BY_CHANCE)
    judged = (hashes, rows.who(files.result_id_columns), numbers)
    part.lists.append(tuple(column.filter(is_long) for column in judged))


def _asked(files: RunFiles, columns: pa.RecordBatch) -> Any:
    """Return how many entries each row asked for."""
    default = pa.scalar(files.asked_default, pa.int64())
    if files.asked_column is None:
        return default
    asked = columns.column(files.asked_column)
    if pa.types.is_nested(asked.type):
        return pc.list_value_length(asked)
    return pc.fill_null(text_column(asked).cast(pa.int64()), default)  # a float's NaN is null, too


def _example(files: RunFiles, shared: SharedList, entries_max: int) -> Example:
    part, row = shared.first >> _ROW_BITS, shared.first & ((1 << _ROW_BITS) - 1)
    for rows in read_rows(files, files.part_names[part], files.result_id_columns):
        if row < rows.columns.num_rows:
            break
        row -= rows.columns.num_rows
    begin, end = (rows.offsets[n].as_py() for n in (row, row + 1))
    who = [text_column(column)[0].as_py() for column in rows.columns.slice(row, 1).columns]
    first = rows.entries[begin : min(end, begin + entries_max)].to_pylist()
    return Example(
        rows=shared.rows,
        who=" / ".join(map(str, who)),
        entries=tuple(map(str, first)),
        has_more=end - begin > entries_max,
    )
