"""A Parquet data set -> Chunks, from its footers alone; then a Chunk -> batches of rows."""

import hashlib
import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.errors import InputError
from worker.files import find_files, hive_keys
from worker.footer import read_footer
from worker.model import Chunk, Piece
from worker.plain import plain, plain_type

READ_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One file, as it was when the run was planned."""

    keys: dict[str, object]  # hive keys and their values
    file_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Source:
    """An input, known from its footers."""

    schema: pa.Schema  # every column of every file, hive keys last; plain types
    chunks: tuple[Chunk, ...]
    files: dict[str, SourceFile]
    row_bytes: int  # the widest rows, all columns, uncompressed
    fingerprint: str  # SHA-256 over names, sizes and footers: the same data, the same value

    @property
    def rows(self) -> int:
        """Rows before `where`."""
        return sum(chunk.rows for chunk in self.chunks)


def open_source(path: str, *, rows_per_chunk: int) -> Source:
    """Find the files of `path` (file, folder or glob) and read their footers.

    Raises InputError when nothing is there, a file is not Parquet, or columns disagree in type.
    """
    root, names = find_files(path)
    keys, keys_schema = hive_keys(root, names)
    digest = hashlib.sha256()
    schemas: dict[pa.Schema, str] = {}
    groups: list[tuple[str, int, int]] = []
    files: dict[str, SourceFile] = {}
    row_bytes = 0
    for name in names:
        footer = read_footer(name)
        digest.update(f"{os.path.relpath(name, root)}\0{footer.file_bytes}\0".encode())
        digest.update(footer.sha256)
        schemas.setdefault(_plain_schema(footer.schema, name, without=keys_schema.names), name)
        groups.extend((name, group, rows) for group, rows in enumerate(footer.group_rows))
        row_bytes = max(row_bytes, footer.row_bytes)
        files[name] = SourceFile(keys[name], footer.file_bytes, footer.modified_ns)
    if not any(rows for _, _, rows in groups):
        raise InputError(
            f"the input {path} has no rows ({len(names)} files were looked at)",
            hint="check the job that writes it; a run needs at least one row",
        )
    return Source(
        schema=pa.schema([*_unify(list(schemas.items())), *keys_schema]),
        chunks=tuple(plan_chunks(groups, rows_per_chunk=rows_per_chunk)),
        files=files,
        row_bytes=row_bytes,
        fingerprint=digest.hexdigest(),
    )


def plan_chunks(groups: Iterable[tuple[str, int, int]], *, rows_per_chunk: int) -> Iterator[Chunk]:
    """Cut row groups, given as (file, row group, rows), into chunks of `rows_per_chunk` rows.

    Every chunk but the last is full; a chunk may begin and end inside a row group. Pure.
    """
    index, pieces, room = 0, list[Piece](), rows_per_chunk
    for path, row_group, rows in groups:
        offset = 0
        while offset < rows:
            taken = min(room, rows - offset)
            pieces.append(Piece(path=path, row_group=row_group, offset=offset, rows=taken))
            offset += taken
            room -= taken
            if room == 0:
                yield Chunk(index=index, pieces=tuple(pieces))
                index, pieces, room = index + 1, [], rows_per_chunk
    if pieces:
        yield Chunk(index=index, pieces=tuple(pieces))


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


def require_columns(source: Source, columns: Iterable[str], *, key: str) -> None:
    """Raise InputError when the input lacks one of `columns`, which the config names at `key`."""
    for name in columns:
        if name not in source.schema.names:
            raise InputError(
                f"the input has no column {name!r}, which {key} names; "
                f"it has: {', '.join(source.schema.names)}",
                hint=f"correct {key}; column names are case-sensitive",
            )


def _join(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    (joined,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _plain_schema(schema: pa.Schema, file: str, *, without: Sequence[str]) -> pa.Schema:
    """Return the columns in plain types; a hive key's folder wins over a column of its name."""
    for name in schema.names:
        if schema.names.count(name) > 1:
            raise InputError(
                f"{file} has more than one column {name!r}", hint="give each column its own name"
            )
    fields = [pa.field(each.name, plain_type(each.type)) for each in schema]
    return pa.schema([field for field in fields if field.name not in without])


def _unify(schemas: Sequence[tuple[pa.Schema, str]]) -> pa.Schema:
    unified, first = schemas[0]
    for schema, file in schemas[1:]:
        try:
            unified = pa.unify_schemas([unified, schema], promote_options="permissive")
        except pa.ArrowException as error:
            raise InputError(
                f"{file} and {first} disagree on a column: {error}",
                hint="write the files with one schema, or name fewer of them in input.path",
            ) from None
    return unified


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
    state, planned = Path(path).stat(), source.files[path]
    if (state.st_size, state.st_mtime_ns) != (planned.file_bytes, planned.modified_ns):
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
