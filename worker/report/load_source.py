"""A load test's folder as its readers see it: its result, and its timeline so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from worker.errors import ConflictError
from worker.loadtest.folder import RESULT_NAME
from worker.loadtest.measure import Interval
from worker.loadtest.result import FORMAT
from worker.loadtest.timeline import TIMELINE_NAME
from worker.store import LocalStore

_DAMAGES = (ValueError, KeyError, TypeError)


@dataclass(frozen=True, kw_only=True)
class LoadFiles:
    """What a load test has left so far."""

    where: str  # the folder
    result: Mapping[str, Any]  # `_loadtest.json`
    intervals: list[Interval]  # all of it, or those before it was killed, or before now

    @property
    def has_ended(self) -> bool:
        """Whether there is a verdict; a test that is killed never has one."""
        return bool(self.result["state"] != "running")


def holds_load_test(store: LocalStore) -> bool:
    """Return whether the folder is a load test's."""
    return store.size(RESULT_NAME) is not None


def open_load_test(store: LocalStore) -> LoadFiles:
    """Return the files of the load test that `store` holds, ended or not.

    Raises ConflictError when its result is damaged, or another version's.
    """
    path = store.path(RESULT_NAME)
    try:
        result = dict(orjson.loads(store.read(RESULT_NAME) or b""))
        written = result["format"]
        _ = result["state"], result["started_at"], result["target"]["arn"], result["config"]
    except _DAMAGES:
        raise ConflictError(
            f"{path} is damaged", hint="replace the load test: run it again with --overwrite"
        ) from None
    if written != FORMAT:
        raise ConflictError(
            f"{path} has format {written}, and this version reads {FORMAT}",
            hint=f"use the version that wrote it: {result.get('version')}",
        )
    return LoadFiles(where=str(store.root), result=result, intervals=_intervals(store))


def _intervals(store: LocalStore) -> list[Interval]:
    """Return the timeline; a line without its end was torn by a kill, or is just being written."""
    *lines, _ = (store.read(TIMELINE_NAME) or b"").split(b"\n")
    try:
        return [Interval(**orjson.loads(line)) for line in lines]
    except _DAMAGES:
        raise ConflictError(
            f"{store.path(TIMELINE_NAME)} is damaged",
            hint="remove it: the report is then made without a timeline",
        ) from None
