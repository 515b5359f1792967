"""A Parquet file's footer: what is needed to plan, without reading any data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from worker.errors import InputError
from worker.input._parquet import open_parquet
from worker.store.files import FileState, InputFiles

_MAGIC = b"PAR1"
_ENCRYPTED_MAGIC = b"PARE"
_TAIL_BYTES = 8  # footer length (4, little-endian) and magic; Parquet format, "File format"
_FOOTER_BYTES_MAX = 256 << 20


@dataclass(frozen=True, slots=True)
class Footer:
    """Schema, rows per row group, and a digest that changes when the data does."""

    schema: pa.Schema
    group_rows: tuple[int, ...]
    state: FileState
    is_plain: bool  # no part of it is encrypted
    row_bytes: int  # uncompressed, in the row group with the widest rows, on average
    sha256: bytes  # of the raw footer, which holds offsets, sizes and statistics of every column


def read_footer(storage: InputFiles, path: str) -> Footer:
    """Read the footer of the file `path`; raise InputError when there is none."""
    try:
        state = storage.state(path)  # before reading: a later write shows
        with storage.open_read(path) as opened:
            raw = _raw_footer(path, opened)
            file = open_parquet(opened)
            metadata = file.metadata
            groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
            _check_has_own_data(path, groups)
            return Footer(
                schema=file.schema_arrow,
                group_rows=tuple(group.num_rows for group in groups),
                state=state,
                is_plain=len(raw) == metadata.serialized_size,  # a signature follows it else
                row_bytes=max(map(_row_bytes, groups), default=0),
                sha256=hashlib.sha256(raw).digest(),
            )
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror or error}",
            hint="check that the file exists and that this user may read it",
        ) from None
    except pa.ArrowException as error:
        raise InputError(
            f"{path} has a damaged Parquet footer: {error}", hint="write the file again"
        ) from None
    except UnicodeDecodeError:  # Arrow gives up the file, whichever columns are wanted
        raise InputError(
            f"{path} has a column whose name is not UTF-8",
            hint="Parquet names are UTF-8; write the file again, with another name",
        ) from None


def _check_has_own_data(path: str, groups: Sequence[pq.RowGroupMetaData]) -> None:
    """Raise InputError when a file just says where data is, as `_metadata` beside a data set."""
    elsewhere = groups[0].column(0).file_path if groups and groups[0].num_columns else ""
    if elsewhere:
        raise InputError(
            f"{path} has no data of its own: its footer speaks of other files, such as {elsewhere}",
            hint="name these, or the folder that they are in; there a file _metadata is left out",
        )


def _row_bytes(group: pq.RowGroupMetaData) -> int:
    return group.total_byte_size // max(1, group.num_rows)


def _raw_footer(path: str, file: pa.NativeFile) -> bytes:
    head, size = file.read(len(_MAGIC)), file.size()
    if head == _ENCRYPTED_MAGIC:
        raise InputError(
            f"{path} is an encrypted Parquet file, its footer too",
            hint="write it without encryption: this program has no keys for it",
        )
    if size and head != _MAGIC:
        raise InputError(
            f"{path} is not a Parquet file: it starts with {head!r}, not {_MAGIC!r}",
            hint="convert it to Parquet, or name only the Parquet files: input.path takes a "
            'glob such as "users/*.parquet"',
        )
    if size >= len(_MAGIC) + _TAIL_BYTES:
        file.seek(size - _TAIL_BYTES)
        tail = file.read(_TAIL_BYTES)
        footer_bytes = int.from_bytes(tail[:4], "little")
        whole = tail[4:] == _MAGIC and footer_bytes <= min(size, _FOOTER_BYTES_MAX)
        if whole:
            file.seek(size - _TAIL_BYTES - footer_bytes)
            return file.read(footer_bytes)
    raise InputError(
        f"{path} is a truncated Parquet file: its {size} bytes do not end in a footer",
        hint="the program that wrote it was cut off, or is still writing; write it again",
    )
