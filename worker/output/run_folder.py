"""The output folder as a run's state: whose it is, which chunks are done, and claiming it.

`_run.json`, format 2:

============ ===================================================================================
format       of this file, the spool and the books together; absent in 1
version      of the program that began the run
run_id       16 hex digits over identity and fingerprint; the folder of the spool has this name
created_at   UTC
identity     the keys of the config that count, unless at their default (worker.config.identity)
config       all of it, as it was
input        rows; fingerprint, over names, sizes and footers; seen_ns, when the files were looked
             at; files, by name below input.path: bytes, modified_ns, changed_ns, inode
plan         parts; batch_rows
============ ===================================================================================

A run of another format is another version's: it is not carried on. Reports read it all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from worker import __version__
from worker.config.identity import identity
from worker.errors import ConflictError
from worker.input.source import Source
from worker.job import Job
from worker.model import Chunk
from worker.runtime import log
from worker.store.base import Store

RUN_FORMAT = 2
RUN_NAME = "_run.json"
SUCCESS_NAME = "_SUCCESS"
QUALITY_FAILED_NAME = "_QUALITY_FAILED"
REPORT_NAME = "_report.html"
ERRORS_FOLDER = "_errors/"
PART_NAME = re.compile(rf"({ERRORS_FOLDER})?part-\d{{5,}}\.parquet")
_OWN_NAMES = (RUN_NAME, SUCCESS_NAME, QUALITY_FAILED_NAME, REPORT_NAME)


def check_owner(job: Job, store: Store) -> dict[str, Any] | None:
    """Return the `_run.json` of this run, if the folder holds it already; write nothing.

    Raises ConflictError when it holds another run, one of another format, or files of no run.
    """
    run = read_run(store)
    if run is None:
        if names := store.list():
            raise ConflictError(
                f"{store.place} is not empty and holds no run of this program (it has {names[0]})",
                hint="set output.path to a new or empty folder",
            )
        return None
    check_format(run, store)
    there, here = run.get("config", {}), job.config.model_dump(mode="json")
    changes = [
        f"{name}: {_shown(there, name)} there, {_shown(here, name)} here"
        for name in _differences(run["identity"], identity(job.config))
    ]
    if run["input"]["fingerprint"] != job.source.fingerprint:
        changes.append("the input's data: files were added, removed or written again")
    if changes:
        listed = "".join(f"\n  {change}" for change in changes[:10])
        raise ConflictError(
            f"{store.place} holds another run; it differs in:{listed}",
            hint="set another output.path, or replace that run with --overwrite",
        )
    return run


def claim(job: Job, store: Store, *, overwrite: bool) -> dict[str, Any]:
    """Make the folder this run's, unless it is already; return its `_run.json`.

    Raises like `check_owner`.

    `overwrite` drops the files of the run that is there; those of nobody's run are never touched.
    """
    if overwrite and store.read(RUN_NAME) is not None:
        store.clear_spools()
        # Whose files these are goes last: a kill in between leaves a run that can be overwritten.
        for name in sorted(store.list(), key=lambda name: name == RUN_NAME):
            if name in _OWN_NAMES or PART_NAME.fullmatch(name):
                store.remove(name)
    run = check_owner(job, store)
    if run is None:
        run = _describe(job)
        _write_run(store, run)
    return run


def note_input(job: Job, store: Store, run: dict[str, Any]) -> None:
    """Note the state of the input's files in `_run.json`: they hold what they did."""
    _write_run(store, {**run, "input": _describe_input(job.source)})


def read_run(store: Store) -> dict[str, Any] | None:
    """Return `_run.json`, or None when there is none."""
    text = store.read(RUN_NAME)
    if text is None:
        return None
    try:
        run = orjson.loads(text)
        run["identity"], run["input"]["fingerprint"]
    except (ValueError, KeyError, TypeError):
        raise ConflictError(
            f"{store.shown(RUN_NAME)} is damaged",
            hint="set another output.path, or replace that run with --overwrite",
        ) from None
    return dict(run)


def read_success(store: Store) -> dict[str, Any] | None:
    """Return the content of `_SUCCESS`, or None while the run is not finished.

    A finished run whose files are not all there any more is not finished: the rest is done again.
    """
    text = store.read(SUCCESS_NAME)
    if text is None:
        return None
    try:
        success = dict(orjson.loads(text))
        if all(store.size(part["name"]) == part["bytes"] for part in success["parts"]):
            return success
        reason = "a file that it lists is missing or of another size"
    except (ValueError, KeyError, TypeError) as error:
        reason = f"it cannot be read: {error}"
    log.warning("_SUCCESS does not hold any more", reason=reason)
    return None


def chunks_by_state(store: Store, chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
    """Return the chunks that are committed, and those that are not."""
    names = set(store.list())
    done = [chunk for chunk in chunks if chunk.part_name in names]
    todo = [chunk for chunk in chunks if chunk.part_name not in names]
    return done, todo


def _describe(job: Job) -> dict[str, Any]:
    """Return `_run.json`: no secret is in a config, so none is in here."""
    return {
        "format": RUN_FORMAT,
        "version": __version__,
        "run_id": job.run_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "identity": identity(job.config),
        "config": job.config.model_dump(mode="json", exclude_none=True),
        "input": _describe_input(job.source),
        "plan": {"parts": len(job.source.chunks), "batch_rows": job.batch_rows},
    }


def _describe_input(source: Source) -> dict[str, Any]:
    return {
        "rows": source.rows,
        "fingerprint": source.fingerprint,
        "seen_ns": source.seen_ns,
        "files": {file.name: file.state._asdict() for file in source.files.values()},
    }


def _write_run(store: Store, run: dict[str, Any]) -> None:
    store.write(RUN_NAME, orjson.dumps(run, option=orjson.OPT_INDENT_2))


def check_format(run: dict[str, Any], store: Store) -> None:
    """Raise ConflictError when `_run.json` is of a format that this version does not carry on."""
    number, version = run.get("format", 1), run.get("version")
    if number != RUN_FORMAT:
        raise ConflictError(
            f"{store.place} holds a run that version {version} of this program began, with format "
            f"{number} of its files; this is version {__version__}, with format {RUN_FORMAT}",
            hint=f"finish it with the program that began it (format {number}), or set another "
            "output.path, or replace that run with --overwrite",
        )


def _differences(there: Any, here: Any, prefix: str = "") -> Iterator[str]:
    """Yield the names of all keys that differ."""
    tables = [{} if value is None else value for value in (there, here)]
    if all(isinstance(table, dict) for table in tables):
        for key in sorted({*tables[0], *tables[1]}):
            yield from _differences(tables[0].get(key), tables[1].get(key), f"{prefix}{key}.")
    elif there != here:
        yield prefix.rstrip(".")


def _shown(config: dict[str, Any], name: str) -> str:
    """Return a key's value, a default too, as JSON."""
    value: Any = config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return "nothing" if value is None else orjson.dumps(value).decode()
