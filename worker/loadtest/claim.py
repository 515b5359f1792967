"""The folder of a load test: whose it is, and what is in it.

A folder holds one test. Its `_loadtest.json` is there from the start, with `state` "running", so
that nobody else takes the folder; it is written again at the end.
"""

from __future__ import annotations

from typing import Final

import orjson

from worker.errors import ConflictError
from worker.loadtest.attempts_file import ATTEMPTS_NAME
from worker.loadtest.result import LoadResult
from worker.loadtest.timeline_file import TIMELINE_NAME
from worker.output.run_folder import RUN_NAME
from worker.runtime.records import json_bytes
from worker.store.base import Store

RESULT_NAME: Final = "_loadtest.json"
REPORT_NAME: Final = "_report.html"
_OWN_NAMES: Final = (RESULT_NAME, TIMELINE_NAME, ATTEMPTS_NAME, REPORT_NAME)


def claim(store: Store, beginning: LoadResult, *, overwrite: bool) -> None:
    """Make the folder this test's; `beginning` is its result so far.

    A test that did not end is replaced, one that did with `overwrite` only. Raises ConflictError
    for the latter without it, and for files of a run or of nobody's, whatever `overwrite` says.
    """
    _check_no_run(store)
    there = store.read(RESULT_NAME)
    if there is None and (names := store.list()):
        raise ConflictError(
            f"{store.place} is not empty and holds no load test (it has {names[0]})",
            hint="set output.path to a new or empty folder",
        )
    if there is not None and not overwrite and (ended_at := _ended_at(there)):
        raise ConflictError(
            f"{store.place} holds the load test that ended at {ended_at}",
            hint="set another output.path, or replace that test with --overwrite",
        )
    for name in _OWN_NAMES:
        store.remove(name)
    write_result(store, beginning)


def write_result(store: Store, result: LoadResult) -> None:
    """Write `_loadtest.json`."""
    store.write(RESULT_NAME, json_bytes(result))


def _check_no_run(store: Store) -> None:
    if store.read(RUN_NAME) is not None:
        raise ConflictError(
            f"{store.place} holds a run, and a load test needs a folder of its own",
            hint='set another one: --set output.path="loadtest"',
        )


def _ended_at(text: bytes) -> str | None:
    """Return when the test in a folder ended; None for one that did not end by itself."""
    try:
        result = orjson.loads(text)
        return str(result["ended_at"]) if result["state"] == "finished" else None
    except (ValueError, KeyError, TypeError):
        return "some time (its _loadtest.json is damaged)"
