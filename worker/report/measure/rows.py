"""Parts read back, a row group at a time: each row's list, in either layout, and its call."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from worker.codec.column_names import error_names
from worker.codec.texts import text_column
from worker.errors import ConflictError
from worker.input.gather import decoded_batches
from worker.report.measure.column import Column, pc
from worker.report.measure.hashes import U64, hash_strings, mix
from worker.report.source import RunFiles
from worker.store.base import Store


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of a part, in order. Row n has the entries `offsets[n]` to `offsets[n + 1]`."""

    columns: pa.RecordBatch  # one row per row: ID columns, and what else was wanted
    offsets: Column  # int32, one more than rows; the first is 0
    entries: Column  # a dictionary: IDs of items or actions
    beside: Mapping[str, Column]  # `entries`: score, promotion_name, reason; as far as read

    @property
    def lengths(self) -> Column:
        """How many entries each row has."""
        return pc.subtract(self.offsets[1:], self.offsets[:-1])

    def entry_hashes(self) -> Column:
        """Return a uint64 for each entry; the same for the same ID, in any run."""
        hashes = hash_strings(self.entries.dictionary).take(self.entries.indices)
        return pc.fill_null(hashes, pa.scalar(0, U64))

    def who(self, id_columns: tuple[str, ...]) -> Column:
        """Return a uint64 for each row, made from its ID columns; the same in any run."""
        first, *others = (hash_strings(text_column(self.columns.column(n))) for n in id_columns)
        for each in others:
            first = mix(pc.add(first, mix(each)))
        return first


def read_rows(
    files: RunFiles, name: str, wanted: tuple[str, ...], *, beside: bool = False
) -> Generator[Rows]:
    """Yield the rows of part `name` with the columns `wanted`; memory: one row group.

    With `beside` they have their scores, and promotions and reasons where there are any. Raises
    ConflictError when the part cannot be read.
    """
    shape, is_nested = files.shape, files.config.output.layout == "nested"
    entry_id = shape.type.names[0]
    prefix = f"{shape.column}.list.element." if is_nested else ""
    store = files.store
    with _errors_as_advice(store, name), store.open_read(name) as opened:
        file = _parquet(opened, entry=prefix + entry_id)
        for group in range(file.num_row_groups):
            members = [entry_id, *(["score"] if beside else [])]
            if beside:
                given = _columns_with_values(file.metadata.row_group(group))
                members += [each for each in _SELDOM if f"{prefix}{each}" in given]
            wide = [] if is_nested else _lists_among(wanted, file.schema_arrow)
            columns = [name for name in wanted if name not in wide]
            columns += [prefix + member for member in members]
            columns += [] if is_nested else ["rank"]
            table = file.read_row_group(group, columns=columns, use_threads=False)
            if is_nested:
                for batch in table.to_batches():
                    yield _nested(batch, shape.column, wanted)
            else:
                # A row's lines are all in one row group, though not in one batch.
                for batch in table.unify_dictionaries().combine_chunks().to_batches():
                    begins = _begins(batch.column("rank"))
                    lists = _lines(file, group, wide, begins.to_pylist()) if wide else None
                    yield _exploded(batch, members, wanted, begins, lists)


def read_failed(
    files: RunFiles, name: str, wanted: tuple[str, ...]
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yield failed rows of `_errors/`: their ID columns, and why they failed, `wanted` of that.

    Raises like `read_rows`.
    """
    with _errors_as_advice(files.store, name), files.store.open_read(name) as opened:
        file = pq.ParquetFile(opened)
        own = error_names(file.schema_arrow)
        named = [own[each] for each in wanted]
        ids = list(files.id_columns)
        for batch in decoded_batches(file, [*ids, *named]):
            yield batch.select(ids), batch.select(named).rename_columns(list(wanted))


def read_metadata(files: RunFiles, name: str) -> pq.FileMetaData:
    """Return a part's footer. Raises like `read_rows`."""
    with _errors_as_advice(files.store, name), files.store.open_read(name) as opened:
        return pq.read_metadata(opened)


_LINES = 256  # of lists, at once: a few MiB
# What most campaigns say of no entry: not read then.
_SELDOM = ("promotion_name", "reason")


def _columns_with_values(group: pq.RowGroupMetaData) -> set[str]:
    """Return the paths of columns, and of lists, that are not nothing but nulls."""
    paths = set()
    for column in map(group.column, range(group.num_columns)):
        known = column.statistics
        nulls = None if known is None else known.null_count
        if nulls is None or nulls < column.num_values:
            paths.add(column.path_in_schema.removesuffix(".list.element"))
    return paths


def _nested(batch: pa.RecordBatch, column: str, wanted: tuple[str, ...]) -> Rows:
    lists: Any = batch.column(column)
    flat = lists.flatten()
    return Rows(
        columns=batch.select(list(wanted)),
        offsets=pc.subtract(lists.offsets, lists.offsets[0]),
        entries=pc.struct_field(flat, 0),
        beside={field.name: pc.struct_field(flat, n) for n, field in enumerate(flat.type) if n},
    )


def _parquet(file: pa.NativeFile, *, entry: str) -> pq.ParquetFile:
    return pq.ParquetFile(file, read_dictionary=[entry], pre_buffer=False, buffer_size=1 << 20)


def _lists_among(wanted: tuple[str, ...], schema: pa.Schema) -> list[str]:
    return [name for name in wanted if pa.types.is_nested(schema.field(name).type)]


def _lines(
    file: pq.ParquetFile, group: int, columns: list[str], lines: list[int]
) -> pa.RecordBatch:
    """Return `columns` of some lines, in order: lists as long as a ranking's, one for each item."""
    taken, first = [], 0
    for batch in file.iter_batches(_LINES, row_groups=[group], columns=columns, use_threads=False):
        begin, end = bisect_left(lines, first), bisect_left(lines, first + batch.num_rows)
        chosen = pa.array([line - first for line in lines[begin:end]], pa.int64())
        taken.append(batch.take(chosen))
        first += batch.num_rows
    (whole,) = pa.Table.from_batches(taken).combine_chunks().to_batches()
    return whole


def _begins(ranks: Column) -> Column:
    """Return where rows begin: at rank 1, or at a line without a rank, which is all of a row."""
    return pc.indices_nonzero(pc.fill_null(pc.equal(ranks, 1), fill_value=True))


def _exploded(
    batch: pa.RecordBatch,
    members: list[str],
    wanted: tuple[str, ...],
    begins: Column,
    lists: pa.RecordBatch | None,
) -> Rows:
    """Undo the layout; of `lists`, columns of which the batch has none, there is one line a row."""
    has_entry = batch.column("rank").is_valid()
    before = pc.cumulative_sum(pc.cast(has_entry, pa.int32()))
    ends = pa.concat_arrays([pa.array([0], pa.int32()), before])
    columns = {
        name: lists.column(name)
        if lists is not None and name in lists.schema.names
        else batch.column(name).take(begins)
        for name in wanted
    }
    lines = batch.select(members).filter(has_entry)
    return Rows(
        columns=pa.RecordBatch.from_pydict(columns),
        offsets=pa.concat_arrays([ends.take(begins), ends[-1:]]),
        entries=lines.column(0),
        beside={member: lines.column(member) for member in members[1:]},
    )


@contextmanager
def _errors_as_advice(store: Store, name: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConflictError(
            f"{store.shown(name)} cannot be read: {why}",
            hint="move it away and run again; the rows of that part are then computed anew",
        ) from None
