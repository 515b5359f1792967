"""An input's files on the local disk: found, looked at and opened."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa

from worker.errors import InputError
from worker.store._arrow_files import open_to_read
from worker.store._side_files import has_parquet_name, is_hidden_folder, is_side_file
from worker.store._tables import check_no_table
from worker.store.files import FileState, FoundFile


class LocalFiles:
    """See InputFiles."""

    def find(self, path: str) -> Sequence[FoundFile]:
        """See InputFiles.find.

        A path that exists is taken as it is, even with glob characters in its name. Links are
        followed, and each file is taken once, whatever links lead to it. What other readers leave
        out is skipped (`_side_files`).
        """
        path = os.path.normpath(path)
        if Path(path).is_file():
            root, files = str(Path(path).parent), [path]
        else:
            root, found = _below(path)
            files = [file for file in found if not _is_left_out(file, root)]
        real = _real_files(files)
        folders = {file.parent for name, at in real.items() for file in (Path(name).absolute(), at)}
        tops = [Path(root).absolute(), Path(root).resolve()]
        check_no_table([*tops, *sorted(folders)], real.values())
        if not files:
            raise InputError(
                f"no input files at {path}",
                hint="check input.path: a Parquet file, a folder of them, or a glob in quotes; "
                "names that start with _ or . are skipped, and empty files that are not called "
                "*.parquet",
            )
        return [FoundFile(name, os.path.relpath(name, root)) for name in _each_once(root, real)]

    def state(self, name: str) -> FileState:
        """See InputFiles.state. Links are followed."""
        state = Path(name).stat()
        return FileState(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)

    def open_read(self, name: str) -> pa.NativeFile:
        """See InputFiles.open_read."""
        return open_to_read(Path(name))


def clash(path: str, files: Iterable[str], output: str) -> tuple[str, str] | None:
    """Return the real folders of an input and an output that lie in each other; else None.

    A run would take its own results for input, or replace its input. `path` is the input's, `files`
    are those found there.
    """
    root, folder = Path(path).resolve(), Path(output).resolve()
    is_read_next_time = (
        Path(path).is_dir()
        and folder.is_relative_to(root)
        and not any(map(is_hidden_folder, folder.relative_to(root).parts))
    )
    if is_read_next_time or any(Path(file).resolve().is_relative_to(folder) for file in files):
        return str(root), str(folder)
    return None


def _below(path: str) -> tuple[str, Iterator[str]]:
    if Path(path).is_dir():
        return path, _walk(path)
    if glob.has_magic(path):
        return _fixed_part(path), _expand(path)
    is_there = Path(path).exists()
    raise InputError(
        f"the input {path} " + ("is neither a file nor a folder" if is_there else "does not exist"),
        hint="check input.path; a relative path counts from the current folder",
    )


def _is_left_out(file: str, root: str) -> bool:
    """Return whether a file is a side file, or an empty one that stands for a folder or a bucket.

    An empty *.parquet is none of them: its rows are missing.
    """
    if is_side_file(os.path.relpath(file, root)):
        return True
    if has_parquet_name(file):
        return False
    try:
        return Path(file).stat().st_size == 0
    except FileNotFoundError:  # a link that leads nowhere fails when it is read
        return False


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
