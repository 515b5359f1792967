"""Which files an input path means, and what their folders' names say (hive partitions)."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa

from worker.errors import InputError
from worker.input._tables import check_no_table

_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"  # how Hive, Spark and Arrow name a null key's folder
_SIDE_ENDS = ("._COPYING_", ".crc")
_PARQUET_ENDS = frozenset({".parquet", ".parq", ".pq"})


def find_files(path: str) -> tuple[str, list[str]]:
    """Return the folder that hive keys are looked for below, and the files in a fixed order.

    A path that exists is taken as it is, even with glob characters in its name. Links are
    followed, and each file is taken once, whatever links lead to it. What other readers leave out
    is skipped (`_is_side_file`). Raises InputError when none is left, and when a folder or file is
    one of a table that keeps a log of which files count.
    """
    path = os.path.normpath(path)
    if Path(path).is_file():
        root, files = str(Path(path).parent), [path]
    else:
        root, found = _below(path)
        files = [file for file in found if not _is_side_file(file, os.path.relpath(file, root))]
    real = _real_files(files)
    folders = {file.parent for name, at in real.items() for file in (Path(name).absolute(), at)}
    check_no_table([Path(root).absolute(), Path(root).resolve(), *sorted(folders)], real.values())
    if not files:
        raise InputError(
            f"no input files at {path}",
            hint="check input.path: a Parquet file, a folder of them, or a glob in quotes; names "
            "that start with _ or . are skipped, and empty files that are not called *.parquet",
        )
    return root, _each_once(root, real)


def _below(path: str) -> tuple[str, Iterator[str]]:
    if Path(path).is_dir():
        return path, _walk(path)
    if glob.has_magic(path):
        return _fixed_part(path), _expand(path)
    raise InputError(
        f"the input {path} does not exist",
        hint="check input.path; a relative path counts from the current folder",
    )


def _real_files(files: Iterable[str]) -> dict[str, Path]:
    """Return, for each file, the absolute path that its links lead to."""
    folders: dict[Path, Path] = {}
    real = {}
    for file in map(Path, files):
        if file.parent not in folders:
            folders[file.parent] = file.parent.resolve()
        real[str(file)] = file.resolve() if file.is_symlink() else folders[file.parent] / file.name
    return real


def _each_once(root: str, real: Mapping[str, Path]) -> list[str]:
    """Return the files, sorted; of several names of one, that which takes no link below `root`."""
    real_root = Path(root).resolve()

    def takes_link(file: str) -> bool:
        return real[file] != real_root / os.path.relpath(file, root)

    names: dict[Path, str] = {}
    for file in sorted(real, key=lambda file: (takes_link(file), file)):
        names.setdefault(real[file], file)
    return sorted(names.values())


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
    pairs = (part.partition("=") for part in Path(relative).parts[:-1] if "=" in part)
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


def _walk(folder: str) -> Iterator[str]:
    """Yield the files below `folder`: each real folder once, those behind links last."""
    entered = set[tuple[int, int]]()
    waiting = deque([folder])
    while waiting:
        for here, folders, names in os.walk(waiting.popleft()):
            state = Path(here).stat()
            if (state.st_dev, state.st_ino) in entered:
                folders.clear()  # a link back up, or a second one
                continue
            entered.add((state.st_dev, state.st_ino))
            links = (Path(here, name) for name in sorted(folders))
            waiting.extend(str(link) for link in links if link.is_symlink())
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


def is_hidden_folder(name: str) -> bool:
    """Return whether a folder's files are left out."""
    return name[0] == "." or (name[0] == "_" and "=" not in name)


def _is_side_file(file: str, relative: str) -> bool:
    """Return whether Hadoop, Spark and others leave the file out, too.

    Hidden names (but for folders such as `_dt=2026-11-30`, which are partitions), copies under
    way, checksums, and the empty files that stand for a folder or an empty bucket. An empty
    *.parquet is none of them: its rows are missing.
    """
    *folders, name = Path(relative).parts
    if name[0] in "._" or name.endswith(_SIDE_ENDS):
        return True
    if any(map(is_hidden_folder, folders)):
        return True
    if Path(name).suffix.lower() in _PARQUET_ENDS:
        return False
    try:
        return Path(file).stat().st_size == 0
    except FileNotFoundError:  # a link that leads nowhere is told of when it is read
        return False
