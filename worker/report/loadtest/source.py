"""A load test's folder as its readers see it: its result, and its timeline so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from worker.errors import InputError
from worker.loadtest.claim import RESULT_NAME
from worker.loadtest.measure import Interval
from worker.loadtest.result import FORMAT
from worker.loadtest.timeline_file import TIMELINE_NAME
from worker.report.loadtest.check import EndedTest, RunningTest, read_interval, read_result
from worker.store.base import Store

_REPLACE = "replace the load test: run it again with --overwrite"
_REMOVE = "remove it: the report is then made without a timeline"


@dataclass(frozen=True, kw_only=True)
class LoadFiles:
    """What a load test has left so far."""

    where: str  # the folder
    result: RunningTest  # `_loadtest.json`
    intervals: list[Interval]  # all of it, or those before it was killed, or before now

    @property
    def ended(self) -> EndedTest | None:
        """The result, if there is a verdict: not while it runs, nor killed, nor of an error."""
        return self.result if isinstance(self.result, EndedTest) else None


def holds_load_test(store: Store) -> bool:
    """Return whether the folder is a load test's."""
    return store.size(RESULT_NAME) is not None


def open_load_test(store: Store) -> LoadFiles:
    """Return the files of the load test that `store` holds, ended or not.

    Raises InputError when one of them is damaged, or another version's.
    """
    values = _parsed(store, RESULT_NAME, store.read(RESULT_NAME) or b"", _REPLACE)
    written = values.get("format", FORMAT) if isinstance(values, dict) else FORMAT
    if written != FORMAT:
        raise InputError(
            f"{store.shown(RESULT_NAME)} has format {written!r}, and this version reads {FORMAT}",
            hint=f"use the version that wrote it: {values.get('version')}",
        )
    try:
        result = read_result(values)
    except ValueError as error:
        raise _damaged(store, RESULT_NAME, str(error), _REPLACE) from None
    return LoadFiles(where=store.place, result=result, intervals=_intervals(store))


def _intervals(store: Store) -> list[Interval]:
    """Return the timeline; a line without its end was torn by a kill, or is just being written."""
    *lines, _ = (store.read(TIMELINE_NAME) or b"").split(b"\n")
    intervals: list[Interval] = []
    for number, line in enumerate(lines, 1):
        values = _parsed(store, TIMELINE_NAME, line, _REMOVE, place=f"line {number} ")
        try:
            interval = read_interval(values)
            if intervals and interval.at_s < intervals[-1].at_s:
                raise ValueError(f"at_s: is before that of the line above (seen: {interval.at_s})")
        except ValueError as error:
            raise _damaged(store, TIMELINE_NAME, f"line {number}, {error}", _REMOVE) from None
        intervals.append(interval)
    return intervals


def _parsed(store: Store, name: str, text: bytes, to_do: str, place: str = "it ") -> Any:
    try:
        return orjson.loads(text)
    except ValueError as error:
        raise _damaged(store, name, f"{place}is not JSON ({error})", to_do) from None


def _damaged(store: Store, name: str, wrong: str, to_do: str) -> InputError:
    return InputError(f"{store.shown(name)} is damaged: {wrong}", hint=to_do)
