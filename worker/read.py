"""A Parquet data set -> Chunks, from its footers alone; then a Chunk -> batches of rows."""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from worker.errors import InputError
from worker.footer import read_footer
from worker.model import Chunk, Piece
from worker.plain import plain, plain_type

READ_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """An input, known from its footers."""

    schema: pa.Schema  # every column of every file, hive partitions last; plain types
    chunks: tuple[Chunk, ...]
    partitions: dict[str, dict[str, object]]  # file -> hive keys and values
    fingerprint: str  # SHA-256 over names, sizes and footers: the same data, the same value

    @property
    def rows(self) -> int:
        """Rows before `where`."""
        return sum(chunk.rows for chunk in self.chunks)


def open_source(path: str, *, rows_per_chunk: int) -> Source:
    """Find the files of `path` (file, folder or glob) and read their footers.

    Raises InputError when nothing is there, a file is not Parquet, or columns disagree in type.
    """
    if not glob.has_magic(path) and not Path(path).exists():
        raise InputError(
            f"the input {path} does not exist",
            hint="check input.path; a relative path counts from the current folder",
        )
    root, files = _find(path)
    if not files:
        raise InputError(
            f"no input files at {path}",
            hint="check input.path: a Parquet file, a folder of them, or a glob in quotes; names "
            "that start with _ or . are skipped",
        )
    digest = hashlib.sha256()
    schemas: dict[pa.Schema, str] = {}
    groups: list[tuple[str, int, int]] = []
    for file in files:
        footer = read_footer(file)
        digest.update(f"{os.path.relpath(file, root)}\0{footer.file_bytes}\0".encode())
        digest.update(footer.sha256)
        schemas.setdefault(_plain_schema(footer.schema), file)
        groups.extend((file, group, rows) for group, rows in enumerate(footer.group_rows))
    if not any(rows for _, _, rows in groups):
        raise InputError(
            f"the input {path} has no rows ({len(files)} files were looked at)",
            hint="check the job that writes it; a run needs at least one row",
        )
    partitions, partition_schema = _partitions(root, files)
    schema = _unify([*schemas.items(), (partition_schema, f"the folder names below {root}")])
    return Source(
        schema=schema,
        chunks=tuple(plan_chunks(groups, rows_per_chunk=rows_per_chunk)),
        partitions=partitions,
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
    for piece in chunk.pieces:
        for rows in _read_piece(source, piece, columns=read, where=where, batch_rows=batch_rows):
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


def _find(path: str) -> tuple[str, list[str]]:
    """Return the folder that hive keys are looked for below, and the files in a fixed order."""
    if Path(path).is_file():
        return str(Path(path).parent), [path]
    if glob.has_magic(path):
        fixed = path[: min(path.index(char) for char in "*?[" if char in path)]
        root, found = str(Path(fixed + "x").parent), glob.iglob(path, recursive=True)  # noqa: PTH207 - takes absolute patterns; Path.glob does not
    else:
        root, found = path, (str(file) for file in Path(path).rglob("*"))
    return root, sorted(
        file
        for file in found
        if Path(file).is_file()
        and not any(part[0] in "._" for part in Path(os.path.relpath(file, root)).parts)
    )


def _partitions(root: str, files: Sequence[str]) -> tuple[dict[str, dict[str, object]], pa.Schema]:
    """Return each file's hive keys (`date=2026-11-21/`), and their types over all files."""
    try:
        found = ds.dataset(
            list(files), format="parquet", partitioning="hive", partition_base_dir=root
        )
    except (pa.ArrowException, ValueError) as error:
        raise InputError(
            f"the folder names below {root} are not consistent hive partitions: {error}",
            hint="name every folder key=value, with the same keys in the same order",
        ) from None
    partitions = {
        fragment.path: ds.get_partition_keys(fragment.partition_expression)
        for fragment in found.get_fragments()
    }
    names = list(dict.fromkeys(name for keys in partitions.values() for name in keys))
    return partitions, _plain_schema(pa.schema([found.schema.field(name) for name in names]))


def _plain_schema(schema: pa.Schema) -> pa.Schema:
    return pa.schema([pa.field(field.name, plain_type(field.type)) for field in schema])


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


def _read_piece(
    source: Source,
    piece: Piece,
    *,
    columns: Sequence[str],
    where: pc.Expression | None,
    batch_rows: int,
) -> Iterator[pa.RecordBatch]:
    keys = source.partitions.get(piece.path, {})
    if where is not None and not _may_match(source, piece, where):
        return
    try:
        with pq.ParquetFile(piece.path, buffer_size=READ_BUFFER_BYTES) as file:
            present = set(file.schema_arrow.names)
            stored = [name for name in columns if name in present and name not in keys]
            # A file without any wanted column still says how many rows there are.
            batches = file.iter_batches(
                batch_rows,
                row_groups=[piece.row_group],
                columns=stored or file.schema_arrow.names[:1],
                use_threads=False,
            )
            for batch in _cut(batches, offset=piece.offset, rows=piece.rows):
                rows = _conform(batch, source.schema, columns=columns, keys=keys)
                if where is not None:
                    yield from pa.Table.from_batches([rows]).filter(where).to_batches()
                else:
                    yield rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"cannot read row group {piece.row_group} of {piece.path}: {str(error).strip()}",
            hint="the file is damaged or was replaced; write it again, then run again",
        ) from None


def _may_match(source: Source, piece: Piece, where: pc.Expression) -> bool:
    """Tell from hive keys and column statistics whether a row group can hold a selected row."""
    keys = source.partitions.get(piece.path, {})
    schema = source.schema
    partition = pc.scalar(True)
    for name, value in keys.items():
        field = pc.field(name)
        same = (
            field.is_null() if value is None else field == pa.scalar(value, schema.field(name).type)
        )
        partition = partition & same
    fragment = ds.ParquetFileFormat().make_fragment(
        piece.path,
        filesystem=LocalFileSystem(),
        partition_expression=partition,
        row_groups=[piece.row_group],
    )
    try:
        return bool(fragment.subset(filter=where, schema=schema).row_groups)  # type: ignore[attr-defined] # the stubs lack it
    except pa.ArrowException:
        return True  # statistics that cannot be compared decide nothing


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
