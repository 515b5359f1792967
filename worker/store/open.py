"""Which store a place of the command line or the config means. All places are local folders."""

from __future__ import annotations

from pathlib import Path

from worker.store import local_files
from worker.store.base import Store
from worker.store.files import InputFiles
from worker.store.local import LocalStore, write_whole


def open_store(place: str) -> Store:
    """Return the store of an output folder, whether it is there or not."""
    return LocalStore(Path(place))


def open_files(path: str) -> InputFiles:
    """Return what finds and opens the files of an input."""
    del path  # its scheme would choose, if there were another one
    return local_files.LocalFiles()


def clash(path: str, files: list[str], output: str) -> tuple[str, str] | None:
    """Return an input and an output that lie in each other; see local_files.clash."""
    return local_files.clash(path, files, output)


def is_same_place(one: str, other: str) -> bool:
    """Return whether two names mean one place."""
    return Path(one).resolve() == Path(other).resolve()


def write_page(file: str, html: str) -> None:
    """Write a page for people, anywhere, whole or not at all. Raises OutputError."""
    write_whole(Path(file), html.encode())
