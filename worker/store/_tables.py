"""Folders whose files do not all count: tables that keep a log of which ones do.

Read as plain Parquet, such a folder gives rows that were deleted, and updated ones twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from worker.errors import InputError


@dataclass(frozen=True, slots=True)
class _Format:
    """A table format, and how its live rows become plain Parquet."""

    name: str
    folder: str  # what the log is called
    export: str  # FOLDER: the table's


_DUCKDB = "with DuckDB: COPY (FROM {}('FOLDER')) TO 'users.parquet'"
_SPARK = "with Spark: spark.read{}('FOLDER').write.parquet('users')"
_DELTA = _Format("a Delta Lake table", "_delta_log", _DUCKDB.format("delta_scan"))
_ICEBERG = _Format("an Apache Iceberg table", "metadata", _DUCKDB.format("iceberg_scan"))
_HUDI = _Format("an Apache Hudi table", ".hoodie", _SPARK.format(".format('hudi').load"))
_HUDI_BY_NAME = _Format(_HUDI.name, "_hudi", _HUDI.export)
_STREAM = _Format("what Spark streams into", "_spark_metadata", _SPARK.format(".parquet"))
_HIVE = _Format(
    "a transactional table of Hive",
    "base_N and delta_N folders",
    "with Hive: INSERT OVERWRITE DIRECTORY 'users' STORED AS PARQUET SELECT * FROM the table",
)
_PAIMON = _Format("an Apache Paimon table", "manifest", _SPARK.format(".format('paimon').load"))
_PAIMON_FOLDERS = ("manifest", "schema", "snapshot")
_DUCKLAKE = _Format(
    "a DuckLake table",
    "files called ducklake-...",
    "with DuckDB: COPY (FROM the table) TO 'users.parquet'",
)
_ICEBERG_NAMES = re.compile(r"(.+\.metadata\.json(\.gz)?|version-hint\.text)")
_HIVE_NAMES = re.compile(r"(base_\d{7,}|(delete_)?delta_\d{7,}_\d{7,})(_.*)?")  # Hive, AcidUtils

_DUCKLAKE_NAMES = re.compile(r"ducklake-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}.*\.parquet")


def check_no_table(folders: Iterable[Path], files: Iterable[Path]) -> None:
    """Raise InputError when one of `folders` or `files` is a table's, or lies in one, however deep.

    Takes absolute paths, and looks at names only, at each folder once.
    """
    seen = set[Path]()
    for folder in folders:
        for place in (folder, *folder.parents):
            if place in seen:
                break  # and so were those above it
            seen.add(place)
            for found, at in _tables_at(place):
                raise _is_table(found, at)
    for file in files:
        if _DUCKLAKE_NAMES.fullmatch(file.name):
            raise _is_table(_DUCKLAKE, file.parent)


def _is_table(found: _Format, at: Path) -> InputError:
    return InputError(
        f"{at} is the folder of {found.name} (it has {found.folder}): just some of the "
        "files in it count, others hold rows that were deleted or replaced",
        hint="export the table's rows as they are now to plain Parquet, and name that in "
        f"input.path; {found.export.replace('FOLDER', str(at))}",
    )


def _tables_at(place: Path) -> Iterator[tuple[_Format, Path]]:
    """Yield which table's folder `place` is, or is known by its name to be in."""
    is_there: tuple[tuple[_Format, Callable[[], bool]], ...] = (
        (_DELTA, (place / "_delta_log").is_dir),
        (_HUDI, (place / ".hoodie").is_dir),
        (_HUDI, (place / ".hoodie_partition_metadata").exists),
        (_HUDI_BY_NAME, (place / "_hudi").is_dir),
        (_STREAM, (place / "_spark_metadata").is_dir),
        (_ICEBERG, lambda: _has_metadata(place / "metadata")),
        (_PAIMON, lambda: all((place / name).is_dir() for name in _PAIMON_FOLDERS)),
    )
    for each, holds in is_there:
        with suppress(OSError):  # a folder that is not there, or may not be looked into
            if holds():
                yield each, place
    if _HIVE_NAMES.fullmatch(place.name):
        yield _HIVE, place.parent


def _has_metadata(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(_ICEBERG_NAMES.fullmatch(entry.name) for entry in entries)
