"""Which names below an input's folder are no data, as Hadoop, Spark and others have it. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

_SIDE_ENDS = ("._COPYING_", ".crc")
_PARQUET_ENDS = frozenset({".parquet", ".parq", ".pq"})


def is_side_file(relative: str) -> bool:
    """Return whether a file is left out for its name: hidden, a copy under way, a checksum."""
    *folders, name = PurePosixPath(relative).parts
    if name[0] in "._" or name.endswith(_SIDE_ENDS):
        return True
    return any(map(is_hidden_folder, folders))


def is_hidden_folder(name: str) -> bool:
    """Return whether a folder's files are left out. One such as `_dt=2026-11-30` is a partition."""
    return name[0] == "." or (name[0] == "_" and "=" not in name)


def has_parquet_name(name: str) -> bool:
    """Return whether a file is called as Parquet files are."""
    return PurePosixPath(name).suffix.lower() in _PARQUET_ENDS
