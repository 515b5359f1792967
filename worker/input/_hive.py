"""What the folders' names say of an input's files: hive partitions, `date=2026-11-21/`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from worker.errors import InputError
from worker.store.files import FoundFile

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # how Hive, Spark and Arrow name a null key's folder


def hive_keys(files: Sequence[FoundFile]) -> tuple[dict[str, dict[str, object]], pa.Schema]:
    """Return each file's keys and values (`date=2026-11-21/`), and their types over all files.

    Values are integers where the text in every file is the integer's own (7, but not 007 or +7),
    all others strings. Raises InputError when not all files have the same keys.
    """
    texts = {file.name: _keys_of(file.relative) for file in files}
    first = files[0].name
    names = list(texts[first])
    for file, keys in texts.items():
        if list(keys) != names:
            raise InputError(
                f"{file} and {first} lie in different hive partitions: {list(keys)} and {names}",
                hint="name every folder key=value, with the same keys in the same order",
            )
    values: dict[str, dict[str, object]] = {file: {} for file in texts}
    fields = []
    for name in names:
        column: pa.Array[Any] = pa.array([keys[name] for keys in texts.values()], pa.string())
        with suppress(pa.ArrowInvalid):  # not all are integers
            numbers = column.cast(pa.int64())
            if column.null_count < len(column) and numbers.cast(pa.string()).equals(column):
                column = numbers
        fields.append(pa.field(name, column.type))
        for file, value in zip(texts, column.to_pylist(), strict=True):
            values[file][name] = value
    return values, pa.schema(fields)


def _keys_of(relative: str) -> dict[str, str | None]:
    keys: dict[str, str | None] = {}
    for key, text in _pairs_of(relative):
        if not key:
            raise InputError(
                f"{relative!r} lies in a hive partition without a name",
                hint="write each folder as key=value, with the column's name before the sign",
            )
        if key in keys:
            raise InputError(
                f"{relative!r} lies in two hive partitions {key!r}",
                hint="give each key one folder in a path, so that it has one value",
            )
        keys[key] = None if text == _HIVE_NULL else text
    return keys


def _pairs_of(relative: str) -> list[tuple[str, str]]:
    """Return keys and values as they were before Hive and Spark wrote characters as %XX."""
    pairs = (part.partition("=") for part in PurePosixPath(relative).parts[:-1] if "=" in part)
    try:
        relative.encode()
        return [
            (unquote(key, errors="strict"), unquote(text, errors="strict"))
            for key, _, text in pairs
        ]
    except UnicodeError:
        raise InputError(
            f"{relative!r} lies in a hive partition whose name is not UTF-8",
            hint="write the folder's name in UTF-8, other characters as %XX of that",
        ) from None
