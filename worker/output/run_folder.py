"""The output folder as a run's state: whose it is, which chunks are done, and claiming it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from worker import __version__
from worker.errors import ConflictError
from worker.job import Job
from worker.model import Chunk
from worker.runtime import log
from worker.store.local import LocalStore

RUN_NAME = "_run.json"
SUCCESS_NAME = "_SUCCESS"
QUALITY_FAILED_NAME = "_QUALITY_FAILED"
REPORT_NAME = "_report.html"
ERRORS_FOLDER = "_errors/"
PART_NAME = re.compile(rf"({ERRORS_FOLDER})?part-\d{{5,}}\.parquet")
_OWN_NAMES = (RUN_NAME, SUCCESS_NAME, QUALITY_FAILED_NAME, REPORT_NAME)


def check_owner(job: Job, store: LocalStore) -> bool:
    """Return whether the folder holds this run already; write nothing.

    Raises ConflictError when it holds another run, or files of no run.
    """
    run = read_run(store)
    if run is None:
        if store.root.is_dir() and (names := store.names()):
            raise ConflictError(
                f"{store.root} is not empty and holds no run of this program (it has {names[0]})",
                hint="set output.path to a new or empty folder",
            )
        return False
    if changes := list(_differences(run["identity"], job.identity())):
        listed = "".join(f"\n  {change}" for change in changes[:10])
        raise ConflictError(
            f"{store.root} holds another run; it differs in:{listed}",
            hint="set another output.path, or replace that run with --overwrite",
        )
    return True


def claim(job: Job, store: LocalStore, *, overwrite: bool) -> None:
    """Make the folder this run's, unless it is already. Raises like `check_owner`.

    `overwrite` drops the files of the run that is there; those of nobody's run are never touched.
    """
    if overwrite and store.read(RUN_NAME) is not None:
        store.clear_spool()
        # Whose files these are goes last: a kill in between leaves a run that can be overwritten.
        for name in sorted(store.names(), key=lambda name: name == RUN_NAME):
            if name in _OWN_NAMES or PART_NAME.fullmatch(name):
                store.remove(name)
    is_owner = check_owner(job, store)
    if not is_owner:
        store.write(RUN_NAME, orjson.dumps(_describe(job), option=orjson.OPT_INDENT_2))


def read_run(store: LocalStore) -> dict[str, Any] | None:
    """Return `_run.json`, or None when there is none."""
    text = store.read(RUN_NAME)
    if text is None:
        return None
    try:
        run = orjson.loads(text)
        run["identity"]["input"]["fingerprint"]
    except (ValueError, KeyError, TypeError):
        raise ConflictError(
            f"{store.path(RUN_NAME)} is damaged",
            hint="set another output.path, or replace that run with --overwrite",
        ) from None
    return dict(run)


def read_success(store: LocalStore) -> dict[str, Any] | None:
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


def chunks_by_state(store: LocalStore, chunks: Sequence[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
    """Return the chunks that are committed, and those that are not."""
    names = set(store.names())
    done = [chunk for chunk in chunks if chunk.part_name in names]
    todo = [chunk for chunk in chunks if chunk.part_name not in names]
    return done, todo


def _describe(job: Job) -> dict[str, Any]:
    """Return `_run.json`: no secret is in a config, so none is in here."""
    return {
        "version": __version__,
        "run_id": job.run_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "identity": job.identity(),
        "config": job.config.model_dump(mode="json", exclude_none=True),
        "input": {"rows": job.source.rows, "fingerprint": job.source.fingerprint},
        "plan": {"parts": len(job.source.chunks), "batch_rows": job.batch_rows},
    }


def _differences(there: Any, here: Any, prefix: str = "") -> Iterator[str]:
    """Yield `section.key: there -> here` for all that differs."""
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            yield from _differences(there.get(key), here.get(key), f"{prefix}{key}.")
    elif there != here:
        name = prefix.rstrip(".")
        if name == "input.fingerprint":
            yield "the input's data: files were added, removed or written again"
        else:
            yield f"{name}: {_shown(there)} there, {_shown(here)} here"


def _shown(value: Any) -> str:
    return "nothing" if value is None else orjson.dumps(value).decode()
