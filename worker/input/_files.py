"""Which files an input path means, and what their folders' names say (hive partitions)."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from worker.errors import InputError

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # how Hive, Spark and Arrow name a null key's folder


def find_files(path: str) -> tuple[str, list[str]]:
    """Return the folder that hive keys are looked for below, and the files in a fixed order.

    A path that exists is taken as it is, even with glob characters in its name. Links are
    followed. Names that start with `_` or `.` are skipped. Raises InputError when none is left.
    """
    path = os.path.normpath(path)
    if Path(path).is_file():
        return str(Path(path).parent), [path]
    if Path(path).is_dir():
        root, found = path, _walk(path)
    elif glob.has_magic(path):
        root, found = _fixed_part(path), _expand(path)
    else:
        raise InputError(
            f"the input {path} does not exist",
            hint="check input.path; a relative path counts from the current folder",
        )
    files = sorted({file for file in found if not _is_hidden(os.path.relpath(file, root))})
    if not files:
        raise InputError(
            f"no input files at {path}",
            hint="check input.path: a Parquet file, a folder of them, or a glob in quotes; names "
            "that start with _ or . are skipped",
        )
    return root, files


def hive_keys(root: str, files: Sequence[str]) -> tuple[dict[str, dict[str, object]], pa.Schema]:
    """Return each file's keys and values (`date=2026-11-21/`), and their types over all files.

    Values are integers where the text in every file is the integer's own (7, but not 007 or +7),
    all others strings. Raises InputError when not all files have the same keys.
    """
    texts = {file: _keys_of(os.path.relpath(file, root)) for file in files}
    names = list(texts[files[0]])
    for file, keys in texts.items():
        if list(keys) != names:
            raise InputError(
                f"{file} and {files[0]} lie in different hive partitions: {list(keys)} and {names}",
                hint="name every folder key=value, with the same keys in the same order",
            )
    values: dict[str, dict[str, object]] = {file: {} for file in files}
    fields = []
    for name in names:
        column: pa.Array[Any] = pa.array([texts[file][name] for file in files], pa.string())
        with suppress(pa.ArrowInvalid):  # not all are integers
            numbers = column.cast(pa.int64())
            if column.null_count < len(column) and numbers.cast(pa.string()).equals(column):
                column = numbers
        fields.append(pa.field(name, column.type))
        for file, value in zip(files, column.to_pylist(), strict=True):
            values[file][name] = value
    return values, pa.schema(fields)


def _keys_of(relative: str) -> dict[str, str | None]:
    pairs = (part.partition("=") for part in Path(relative).parts[:-1] if "=" in part)
    try:
        relative.encode()
        return {
            key: None if text == _HIVE_NULL else unquote(text, errors="strict")
            for key, _, text in pairs
        }
    except UnicodeError:
        raise InputError(
            f"{relative!r} lies in a hive partition whose name is not UTF-8",
            hint="write the folder's name in UTF-8, other characters as %XX of that",
        ) from None


def _walk(folder: str) -> Iterator[str]:
    """Yield the files below `folder`, links followed, each real folder once."""
    entered = set[tuple[int, int]]()
    for here, folders, names in os.walk(folder, followlinks=True):
        state = Path(here).stat()
        if (state.st_dev, state.st_ino) in entered:
            folders.clear()  # a link back up
            continue
        entered.add((state.st_dev, state.st_ino))
        yield from (str(Path(here, name)) for name in names)


def _expand(pattern: str) -> Iterator[str]:
    for match in glob.iglob(pattern, recursive=True):  # noqa: PTH207 - Path.glob takes no absolute pattern
        if Path(match).is_dir():
            yield from _walk(match)
        else:
            yield match


def _fixed_part(pattern: str) -> str:
    """Return the folders of a glob before its first wildcard."""
    fixed = pattern[: min(pattern.index(char) for char in "*?[" if char in pattern)]
    return str(Path(fixed + "x").parent)


def _is_hidden(relative: str) -> bool:
    return any(part[0] in "._" for part in Path(relative).parts)
