"""Where the files of a local store are: what the program itself never asks."""

from __future__ import annotations

from pathlib import Path

from worker.output.spool_format import Mark
from worker.store._local_spool import LocalSpoolFile
from worker.store.base import SpoolFile, Store
from worker.store.local import SPOOL


def path_of(store: Store, name: str) -> Path:
    """Return where a file of a local store is, or would be."""
    return Path(store.shown(name))


def spool_path(store: Store, run_id: str, name: str) -> Path:
    """Return where a spool file of a local store is, or would be."""
    return Path(store.place) / SPOOL / run_id / name


def spool_at(path: Path) -> SpoolFile:
    """Return the spool file at a path."""
    return LocalSpoolFile(path)


def mark_at(path: Path) -> Mark:
    """Return whose blocks a spool has, as its place in an output folder says."""
    return Mark(path.parent.name, int(path.stem.removeprefix("part-")))
