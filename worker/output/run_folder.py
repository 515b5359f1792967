"""The output folder as a run's state: whose it is, which chunks are done, and claiming it.

What `_run.json` holds says worker.output.run_record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from worker import __version__
from worker.config.identity import identity
from worker.errors import ConflictError
from worker.job import Job
from worker.model import Chunk, part_name
from worker.output.run_record import RUN_FORMAT, RunRecord, describe_input, describe_run
from worker.output.summary import Summary
from worker.runtime import log
from worker.runtime.records import json_bytes, read_record
from worker.store.base import SpoolFile, Store

RUN_NAME = "_run.json"
SUCCESS_NAME = "_SUCCESS"
QUALITY_FAILED_NAME = "_QUALITY_FAILED"
REPORT_NAME = "_report.html"
ERRORS_FOLDER = "_errors/"
PART_NAME = re.compile(rf"({ERRORS_FOLDER})?part-\d{{5,}}\.parquet")
_PARTS_LOOKED_AT_MAX = 1_000_000
_OWN_NAMES = (RUN_NAME, SUCCESS_NAME, QUALITY_FAILED_NAME, REPORT_NAME)


def check_owner(job: Job, store: Store) -> RunRecord | None:
    """Return the record of this run, if the folder holds it already; write nothing.

    None: the folder is this run's to take. It is new or empty, or holds another run that got
    nowhere. Raises ConflictError when it holds another run that left anything, one of another
    format, or files of no run.
    """
    run = read_run(store)
    if run is None:
        if names := store.list():
            raise ConflictError(
                f"{store.place} is not empty and holds no run of this program (it has {names[0]})",
                hint="set output.path to a new or empty folder",
            )
        return None
    there, here = run.config, job.config.model_dump(mode="json")
    changes = [
        f"{name}: {_shown(there, name)} there, {_shown(here, name)} here"
        for name in _differences(run.identity, identity(job.config))
    ]
    if run.input.fingerprint != job.source.fingerprint:
        changes.append("the input's data: files were added, removed or written again")
    if changes and _is_untouched(store, run):
        return None
    if changes:
        listed = "".join(f"\n  {change}" for change in changes[:10])
        raise ConflictError(
            f"{store.place} holds another run; it differs in:{listed}",
            hint="set another output.path, or replace that run with --overwrite",
        )
    return run


def claim(job: Job, store: Store, *, overwrite: bool) -> RunRecord:
    """Make the folder this run's, unless it is already; return its record.

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
        store.clear_spools()
        run = describe_run(job)
        _write_run(store, run)
    return run


def _is_untouched(store: Store, run: RunRecord) -> bool:
    """Return whether a run left nothing: no part, no failed row, no answer that is kept.

    So it is with one that was refused at its first calls, for a typo in its ARN, say.
    """
    ends = (SUCCESS_NAME, QUALITY_FAILED_NAME)
    if any(name in ends or PART_NAME.fullmatch(name) for name in store.list()):
        return False
    if not store.has_spools(run.run_id):
        return True
    if run.plan.parts > _PARTS_LOOKED_AT_MAX:
        return False
    with store.errors_as_advice():
        parts = map(part_name, range(run.plan.parts))
        return not any(_has_bytes(store.spool(run.run_id, part)) for part in parts)


def _has_bytes(spool: SpoolFile) -> bool:
    with spool.open_ranges() as there:
        return there is not None and there.size() > 0


def update_input(job: Job, store: Store, run: RunRecord) -> None:
    """Write the state of the input's files to `_run.json`: they hold what they did."""
    _write_run(store, replace(run, input=describe_input(job.source)))


def read_run(store: Store) -> RunRecord | None:
    """Return the record of the run that is there, or None when there is none.

    Raises ConflictError when it is damaged, or of another format.
    """
    values = read_run_values(store)
    if values is None:
        return None
    check_format(values.get("format", 1), values.get("version"), store)
    try:
        return read_record(RunRecord, values)
    except ValueError as error:
        raise _damaged(store, str(error)) from None


def read_run_values(store: Store) -> dict[str, Any] | None:
    """Return the JSON in `_run.json`, of whatever format, or None when there is none.

    Raises ConflictError when it does not say which run it is.
    """
    text = store.read(RUN_NAME)
    if text is None:
        return None
    try:
        values = orjson.loads(text)
    except ValueError as error:
        raise _damaged(store, f"it is not JSON ({error})") from None
    try:
        values["identity"], values["input"]["fingerprint"]
    except (KeyError, TypeError):
        raise _damaged(store, "it does not say which run it is of") from None
    return dict(values)


def _damaged(store: Store, why: str) -> ConflictError:
    return ConflictError(
        f"{store.shown(RUN_NAME)} is damaged: {why}",
        hint="set it right, or set another output.path, or replace that run with --overwrite",
    )


def read_success(store: Store) -> Summary | None:
    """Return the content of `_SUCCESS`, or None while the run is not finished.

    A finished run whose files are not all there any more is not finished: the rest is done again.
    """
    text = store.read(SUCCESS_NAME)
    if text is None:
        return None
    try:
        success = read_record(Summary, orjson.loads(text))
        if all(
            PART_NAME.fullmatch(part.name) and store.size(part.name) == part.bytes
            for part in success.parts
        ):
            return success
        reason = "a file that it lists is missing or of another size"
    except ValueError as error:
        reason = f"it cannot be read: {error}"
    log.warning("_SUCCESS does not hold any more", reason=reason)
    return None


def chunks_by_state(store: Store, chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
    """Return the chunks that are committed, and those that are not."""
    names = set(store.list())
    done = [chunk for chunk in chunks if chunk.part_name in names]
    todo = [chunk for chunk in chunks if chunk.part_name not in names]
    return done, todo


def _write_run(store: Store, run: RunRecord) -> None:
    store.write(RUN_NAME, json_bytes(run))


def check_format(number: int, version: str | None, store: Store) -> None:
    """Raise ConflictError when a run's format is not the one that this version carries on.

    `number` is that format, `version` that of the program which began the run.
    """
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


def _shown(config: Mapping[str, Any], name: str) -> str:
    """Return a key's value, a default too, as JSON."""
    value: Any = config
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return "nothing" if value is None else orjson.dumps(value).decode()
