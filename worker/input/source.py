"""A Parquet data set -> Chunks, from its footers alone."""

from __future__ import annotations

import difflib
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from worker.errors import InputError
from worker.input._footer import read_footer
from worker.input._hive import hive_keys
from worker.input._schema import FileSchema, plain_schema, unify
from worker.model import Chunk, Piece
from worker.store.files import FileState, InputFiles
from worker.store.open import open_files

_SHOWN_MAX = 10
_COMPARED_MAX = 100_000


@dataclass(frozen=True)
class SourceFile:
    """One file, as it was when the run was planned."""

    keys: dict[str, object]  # hive keys and their values
    name: str  # below the input's folder
    state: FileState
    is_plain: bool  # no column is encrypted


@dataclass(frozen=True)
class Source:
    """An input, known from its footers."""

    schema: pa.Schema  # every column that can be read, hive keys last; plain types
    chunks: tuple[Chunk, ...]
    files: dict[str, SourceFile]
    storage: InputFiles  # where these lie
    row_bytes: int  # the widest rows, all columns, uncompressed
    fingerprint: str  # SHA-256 over names, sizes and footers; other data may have the same
    seen_ns: int  # when its files began to be looked at, UTC
    unusable: Mapping[str, str] = field(default_factory=dict)  # columns, and why
    # Of several types in the files; whether the one in `schema` holds all depends on the values.
    doubtful: frozenset[str] = frozenset()

    @property
    def unreadable(self) -> dict[str, str]:
        """Columns that have no type in all files, and why: `schema` lacks them."""
        return {name: why for name, why in self.unusable.items() if name not in self.schema.names}

    @property
    def rows(self) -> int:
        """Rows before `where`."""
        return sum(chunk.rows for chunk in self.chunks)


def open_source(path: str, *, rows_per_chunk: int) -> Source:
    """Find the files of `path` (file, folder or glob) and read their footers.

    Raises InputError when nothing is there, or a file is not Parquet.
    """
    seen_ns = time.time_ns()
    storage = open_files(path)
    found = storage.find(path)
    keys, keys_schema = hive_keys(found)
    digest = hashlib.sha256()
    schemas: dict[pa.Schema, FileSchema] = {}
    groups: list[tuple[str, int, int]] = []
    files: dict[str, SourceFile] = {}
    row_bytes = 0
    for name, relative in found:
        footer = read_footer(storage, name)
        digest.update(f"{relative}\0{footer.state.bytes}\0".encode())
        digest.update(footer.sha256)
        schema = plain_schema(footer.schema, without=keys_schema.names)
        known = schemas.get(schema)
        if known is None or not known.has_rows:
            schemas[schema] = FileSchema(name, schema, any(footer.group_rows))
        groups.extend((name, group, rows) for group, rows in enumerate(footer.group_rows))
        row_bytes = max(row_bytes, footer.row_bytes)
        files[name] = SourceFile(keys[name], relative, footer.state, footer.is_plain)
    if not any(rows for _, _, rows in groups):
        raise InputError(
            f"the input {path} has no rows ({len(found)} files were looked at)",
            hint="check the job that writes it; a run needs at least one row",
        )
    unified = unify(list(schemas.values()))
    return Source(
        schema=pa.schema([*unified.schema, *keys_schema]),
        chunks=tuple(plan_chunks(groups, rows_per_chunk=rows_per_chunk)),
        files=files,
        storage=storage,
        row_bytes=row_bytes,
        fingerprint=digest.hexdigest(),
        seen_ns=seen_ns,
        unusable=unified.unusable,
        doubtful=unified.doubtful,
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


def require_columns(source: Source, columns: Iterable[str], *, key: str) -> None:
    """Raise InputError when the input lacks one of `columns`, which the config names at `key`."""
    names = source.schema.names
    for name in columns:
        if why := source.unusable.get(name):
            raise InputError(
                f"the column that {key} names cannot be used: {why}",
                hint="write the files with one schema, or name fewer of them in input.path",
            )
        if name not in names:
            raise InputError(
                f"the input has no column {name!r}, which {key} names; {_alike(name, names)}",
                hint=f"correct {key}; column names are case-sensitive",
            )


def _alike(name: str, names: Sequence[str]) -> str:
    """Say which column is meant, where one has a similar name, and which there are, if few."""
    spelled = {each.casefold(): each for each in reversed(names[:_COMPARED_MAX])}
    near = difflib.get_close_matches(name.casefold(), spelled, n=1)
    nearest = f"the nearest is {spelled[near[0]]!r}, " if near else ""
    more = f" and {len(names) - _SHOWN_MAX:,} more" if len(names) > _SHOWN_MAX else ""
    return f"{nearest}it has: {', '.join(names[:_SHOWN_MAX])}{more}"
