"""Runs the command, and ends it at a named point: `python crashing.py kill|full POINT ARGUMENTS`.

`kill` is SIGKILL, `full` the error of a disk without space. The code that runs is the real one:
what happens at a point is wrapped, from here, round the functions that are involved.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow.parquet as pq

from worker.cli.main import main
from worker.commands import run
from worker.engine import local as engine
from worker.output import spool
from worker.pipeline import _spool_keeper
from worker.store import local as store
from worker.store import open as opening

# The parts before are committed by then, those after it not begun, or hardly.
PART = "part-00002.parquet"


@dataclass(frozen=True, kw_only=True)
class Point:
    """A call of `owner.name` whose arguments `matches`; strikes before it, after it, or within."""

    owner: Any
    name: str
    matches: Callable[..., bool] = lambda *_: True
    when: str = "before"


def _named(*names: str) -> Callable[..., bool]:
    return lambda first, *_: Path(first).name in names


class NamedFiles(store.LocalStore):
    """A store that knows the names of the files that it has created."""

    created: ClassVar[list[tuple[object, str]]] = []

    def create(self, name: str) -> Any:
        file = super().create(name)
        self.created.append((file, name))
        return file


def _writes(name: str) -> Callable[..., bool]:
    return lambda writer, *_: any(
        writer.where is file and named == name for file, named in NamedFiles.created
    )


def _spools_part(_keeper: object, blocks: Any) -> bool:
    return any(chunk.part_name == PART for chunk in blocks)


def _is_of_part(_self: object, name: Any, *_: object) -> bool:
    return bool(getattr(name, "part_name", name) == PART)


def _is_folder_of_part(path: Path) -> bool:
    return (path / "_run.json").exists() and (path / PART).exists()


POINTS = {
    # name of the point: the call that it is at
    "run.json written": Point(owner=Path, name="write_bytes", matches=_named("_run.json")),
    "run claimed": Point(owner=engine, name="run_chunks"),
    "answers received": Point(owner=_spool_keeper.SpoolKeeper, name="_write", matches=_spools_part),
    "spool made": Point(owner=spool.SpoolWriter, name="__init__",
                        matches=lambda _, path: path.name == PART),
    "spool block half written": Point(owner=os, name="writev", when="within",
                                      matches=lambda file, _: _path_of(file).name == PART),
    "spooled": Point(owner=_spool_keeper.SpoolKeeper, name="_write", matches=_spools_part,
                     when="after"),
    "rows encoded": Point(owner=pq.ParquetWriter, name="write_table", matches=_writes(PART)),
    "failed rows encoded": Point(owner=pq.ParquetWriter, name="write_table",
                                 matches=_writes(f"_errors/{PART}")),
    "footer written": Point(owner=pq.ParquetWriter, name="close", matches=_writes(PART)),
    "errors committed": Point(owner=store.LocalStore, name="commit", when="after",
                              matches=lambda _, name: name == f"_errors/{PART}"),
    "part under temporary name": Point(owner=store, name="_sync", matches=_named(PART)),
    "part synced": Point(owner=Path, name="replace", matches=_named(PART)),
    "part renamed": Point(owner=store, name="_sync", matches=_is_folder_of_part),
    "part committed": Point(owner=_spool_keeper.SpoolKeeper, name="forget", matches=_is_of_part),
    "all parts committed": Point(owner=run, name="_finish"),
    "report under temporary name": Point(owner=Path, name="replace",
                                         matches=_named("_report.html")),
    "spools cleared": Point(owner=Path, name="write_bytes", matches=_named("_SUCCESS")),
    "success under temporary name": Point(owner=Path, name="replace", matches=_named("_SUCCESS")),
    "success committed": Point(owner=store.LocalStore, name="commit", when="after",
                               matches=lambda _, name: name == "_SUCCESS"),
    "files of the old run removed": Point(owner=store.LocalStore, name="remove",
                                          matches=_is_of_part),
    "old run gone": Point(owner=store.LocalStore, name="write",
                          matches=lambda _, name, *__: name == "_run.json"),
}  # fmt: skip


def _path_of(file: int) -> Path:
    if sys.platform == "darwin":
        return Path(fcntl.fcntl(file, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0").decode())
    return Path(f"/proc/self/fd/{file}").readlink()


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fill() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def install(point: Point, strike: Callable[[], None]) -> None:
    """Wrap the call of the point, the first time that it comes."""
    real = getattr(point.owner, point.name)

    def wrapped(*args: Any, **options: Any) -> Any:
        if not point.matches(*args):
            return real(*args, **options)
        setattr(point.owner, point.name, real)
        if point.when == "before":
            strike()
        elif point.when == "within":  # a call that writes: the first half of what it is given
            file, buffers = args
            whole = b"".join(buffers)
            os.write(file, whole[: len(whole) // 2])
            strike()
        result = real(*args, **options)
        strike()
        return result

    setattr(point.owner, point.name, wrapped)


if __name__ == "__main__":
    how, name, *arguments = sys.argv[1:]
    # As few rows as these are kept, too, before their part is written.
    vars(_spool_keeper)["UNSPOOLED_BYTES_MAX"] = 0
    vars(opening)["LocalStore"] = NamedFiles
    install(POINTS[name], {"kill": _kill, "full": _fill}[how])
    main(arguments)
