"""A Chunk -> batches of its rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.errors import InputError
from worker.input._plain_types import plain
from worker.input.file_state import FileState
from worker.input.source import Source
from worker.model import Chunk

READ_BUFFER_BYTES = 1 << 20


def read_batches(
    source: Source,
    chunk: Chunk,
    *,
    columns: Sequence[str],
    where: pc.Expression | None,
    where_columns: Sequence[str],
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Yield the chunk's rows that `where` selects, in order: `columns` only, plain types.

    Every batch but the last has exactly `batch_rows` rows, so two readings number rows alike.
    Memory: a few batches and Parquet pages, never a row group. Raises InputError on damaged data.
    """
    held: list[pa.RecordBatch] = []
    held_rows = 0
    read = tuple(dict.fromkeys((*columns, *where_columns)))
    for rows in _read_chunk(source, chunk, columns=read, where=where, batch_rows=batch_rows):
        held.append(rows.select(columns))
        held_rows += rows.num_rows
        if held_rows >= batch_rows:
            joined = _join(held)
            yield joined.slice(0, batch_rows)
            held, held_rows = [joined.slice(batch_rows)], held_rows - batch_rows
    if held_rows:
        yield _join(held)


def _join(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _read_chunk(
    source: Source,
    chunk: Chunk,
    *,
    columns: Sequence[str],
    where: pc.Expression | None,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    """Yield the chunk's rows in batches of any size; each file is opened once."""
    for path, pieces in itertools.groupby(chunk.pieces, key=lambda piece: piece.path):
        keys = source.files[path].keys
        where_it_is = path
        try:
            _check_unchanged(source, path)
            selected = _matching_groups(source, path, where)
            with pq.ParquetFile(path, buffer_size=READ_BUFFER_BYTES) as file:
                present = set(file.schema_arrow.names) - set(keys)
                # A file without any wanted column still says how many rows there are.
                stored = [name for name in columns if name in present] or file.schema_arrow.names[
                    :1
                ]
                for piece in pieces:
                    if selected is not None and piece.row_group not in selected:
                        continue
                    where_it_is = f"row group {piece.row_group} of {path}"
                    batches = file.iter_batches(
                        batch_rows, row_groups=[piece.row_group], columns=stored, use_threads=False
                    )
                    for batch in _cut(batches, offset=piece.offset, rows=piece.rows):
                        rows = _conform(batch, source.schema, columns=columns, keys=keys)
                        if where is None:
                            yield rows
                        else:
                            yield from pa.Table.from_batches([rows]).filter(where).to_batches()
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"cannot read {where_it_is}: {str(error).strip()}",
                hint="the file is damaged or was replaced; write it again, then run again",
            ) from None


def _check_unchanged(source: Source, path: str) -> None:
    if FileState.of(path).is_written_since(source.files[path].state):
        raise InputError(
            f"{path} was written again after this run had read its footer",
            hint="let the job that writes it end first; then start a run with a new output.path, "
            "or bring the old file back",
        )


def _matching_groups(source: Source, path: str, where: pc.Expression | None) -> set[int] | None:
    """Return the row groups that may hold a selected row; None: all of them.

    Hive keys and column statistics decide.
    """
    if where is None:
        return None
    import pyarrow.dataset as ds  # slow to import, and for `where` only
    from pyarrow.fs import LocalFileSystem

    partition = pc.scalar(True)
    for name, value in source.files[path].keys.items():
        field, kind = pc.field(name), source.schema.field(name).type
        partition &= field.is_null() if value is None else field == pa.scalar(value, kind)
    fragment = ds.ParquetFileFormat().make_fragment(
        path, filesystem=LocalFileSystem(), partition_expression=partition
    )
    try:
        matching = fragment.subset(filter=where, schema=source.schema)  # type: ignore[attr-defined] # the stubs lack it
    except pa.ArrowException:
        return None  # statistics that cannot be compared decide nothing
    return {group.id for group in matching.row_groups}


def _cut(batches: Iterable[pa.RecordBatch], *, offset: int, rows: int) -> Iterator[pa.RecordBatch]:
    """Yield rows `offset` to `offset + rows` of consecutive batches."""
    for batch in batches:
        kept = batch.slice(offset, rows)
        offset = max(0, offset - batch.num_rows)
        rows -= kept.num_rows
        if kept.num_rows:
            yield kept
        if rows == 0:
            return
    raise pa.ArrowInvalid(f"{rows} rows fewer than its footer said")


def _conform(
    batch: pa.RecordBatch, schema: pa.Schema, *, columns: Sequence[str], keys: dict[str, object]
) -> pa.RecordBatch:
    """Return `columns` in the types of `schema`: hive keys repeated, missing columns null."""
    arrays = []
    for name in columns:
        wanted = schema.field(name).type
        if name in keys:
            arrays.append(pa.repeat(pa.scalar(keys[name], wanted), batch.num_rows))
        elif name in batch.schema.names:
            arrays.append(plain(batch.column(name)).cast(wanted))
        else:
            arrays.append(pa.nulls(batch.num_rows, wanted))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema([schema.field(n) for n in columns]))
