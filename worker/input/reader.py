"""Chunks -> batches of their rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from worker.errors import InputError
from worker.input._conform import conform
from worker.input._group_ranges import group_ranges
from worker.input._parquet import open_parquet
from worker.input._row_group import ARROW_ERRORS, RowGroup
from worker.input._where_filter import may_select, selected
from worker.input.condition import Where
from worker.input.gather import joined
from worker.input.source import Source
from worker.model import Chunk, Piece
from worker.runtime.memory_budget import READ_BYTES_MAX


class RowReader:
    """Reads chunks, one after the other, best in their order.

    A file and its row group stay open, so that a chunk begins where the one before has ended.
    Memory: a few batches and Parquet pages, never a row group. To be used by one thread at a
    time, and closed.
    """

    def __init__(
        self,
        source: Source,
        *,
        columns: Sequence[str],
        batch_rows: int,
        where: Where | None = None,
        spare: Sequence[str] = (),
    ) -> None:
        """`spare` columns come after `columns`, and are null where they cannot be read."""
        self._source = source
        self._columns = tuple(dict.fromkeys((*columns, *spare)))
        self._batch_rows = batch_rows
        self._where = where
        self._needed = tuple(dict.fromkeys((*columns, *(where.columns if where else ()))))
        self._spare = tuple(name for name in spare if name not in self._needed)
        self._read_columns = (*self._needed, *self._spare)
        self._file: pq.ParquetFile | None = None
        self._path = ""
        self._group: RowGroup | None = None
        self._always_lost = source.unreadable if spare else {}
        self._lost: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file that is open."""
        self._group = None
        if self._file is not None:
            self._file.close(force=True)
            self._file = None

    @property
    def lost(self) -> Mapping[str, str]:
        """Columns that the chunk read last lacks, or has nulls for values of, and why."""
        return self._lost

    def read(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """Yield the chunk's rows that `where` selects, in order, in plain types.

        Every batch but the last has `batch_rows` rows, or about READ_BYTES_MAX of decoded ones.
        Raises InputError on damaged data.
        """
        self._lost = dict(self._always_lost)
        held: list[pa.RecordBatch] = []
        held_rows = held_bytes = 0
        for rows in self._read_chunk(chunk):
            held.append(rows.select(self._columns))
            held_rows += rows.num_rows
            held_bytes += held[-1].nbytes
            while held_rows >= self._batch_rows or held_bytes >= READ_BYTES_MAX:
                whole = joined(held)
                yield whole.slice(0, self._batch_rows)
                rest = whole.slice(self._batch_rows)
                held, held_rows, held_bytes = [rest], rest.num_rows, rest.nbytes
        if held_rows:
            yield joined(held)

    def _read_chunk(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """Yield the chunk's rows in batches of any size."""
        for path, pieces in itertools.groupby(chunk.pieces, key=lambda piece: piece.path):
            where_it_is = path
            try:
                _check_unchanged(self._source, path)
                file = self._open(path)
                for piece in pieces:
                    where_it_is = f"row group {piece.row_group} of {path}"
                    if self._may_select(file, piece):
                        yield from self._read_piece(file, piece)
                _check_not_overwritten(self._source, path)
            except ARROW_ERRORS as error:
                self.close()
                raise InputError(
                    f"cannot read {where_it_is}: {str(error).strip()}",
                    hint=_hint(str(error)),
                ) from None

    def _open(self, path: str) -> pq.ParquetFile:
        if self._file is None or self._path != path:
            self.close()
            self._file, self._path = open_parquet(self._source.storage.open_read(path)), path
        return self._file

    def _may_select(self, file: pq.ParquetFile, piece: Piece) -> bool:
        if self._where is None or not self._source.files[piece.path].is_plain:
            return True  # Arrow aborts the process where statistics are encrypted
        ranges = group_ranges(
            file,
            piece.row_group,
            self._where.columns,
            schema=self._source.schema,
            keys=self._source.files[piece.path].keys,
        )
        return may_select(self._where, ranges)

    def _read_piece(self, file: pq.ParquetFile, piece: Piece) -> Iterator[pa.RecordBatch]:
        keys = self._source.files[piece.path].keys
        group = self._group
        if group is None or group.index != piece.row_group or group.position > piece.offset:
            stored = set(file.schema_arrow.names) - set(keys)
            self._group = group = RowGroup(
                file,
                piece.row_group,
                needed=[name for name in self._needed if name in stored],
                spare=[name for name in self._spare if name in stored],
                batch_rows=self._batch_rows,
            )
        for batch in group.take(piece.offset, piece.rows):
            rows, lost = conform(
                batch,
                self._source.schema,
                columns=self._read_columns,
                spare=self._spare,
                keys=keys,
                file=piece.path,
            )
            self._lost.update(lost)
            yield rows if self._where is None else selected(self._where, rows)
        self._lost.update(group.lost)


def _hint(message: str) -> str:
    if "decrypt" in message.lower():
        return "a column that the config uses is encrypted; write the file without encryption"
    return "the file is damaged or was replaced; write it again, then run again"


def _check_unchanged(source: Source, path: str) -> None:
    if source.storage.state(path).is_written_since(source.files[path].state):
        raise _written_again(path)


def _check_not_overwritten(source: Source, path: str) -> None:
    """Look once more when a file's rows have been read: old and new ones may be among them.

    Not where it was removed or replaced meanwhile: what is open stays as it was.
    """
    with suppress(FileNotFoundError):
        now, before = source.storage.state(path), source.files[path].state
        if now.inode == before.inode and now.is_written_since(before):
            raise _written_again(path)


def _written_again(path: str) -> InputError:
    return InputError(
        f"{path} was written again after this run had read its footer",
        hint="let the job that writes it end first; then start a run with a new output.path, "
        "or bring the old file back",
    )
