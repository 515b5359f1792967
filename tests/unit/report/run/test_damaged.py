"""Runs whose JSON files hold what no run writes: advice that names file and field."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.made_runs import Row, make_run
from support.places import path_of
from unit.report.damage import damaged

from worker.errors import ConflictError, InputError
from worker.report.make import make_report
from worker.store.base import Store

GATES = [
    {"gate": "empty_share_max", "limit": 0.01, "seen": 0.5, "passed": False},
    {"gate": "fallback_share_max", "limit": 0.1, "seen": None, "passed": True},
]
END = {
    "within_tolerance": True,
    "quality": {"gates": GATES, "overlap_with_previous": 0.5},
}


def write(folder: Path, files: dict[str, Any]) -> Store:
    """Write a run of one row, then `files` in place of its own."""
    store = make_run(folder, [[Row("u", ["i"])]]).store
    for name, values in files.items():
        path_of(store, name).write_text(json.dumps(values))
    return store


def about() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(path_of(write(Path(folder), {}), "_run.json").read_text())


def _nested(levels: int) -> list[Any]:
    """Return lists in each other: orjson reads deeper ones than it writes."""
    inner: list[Any] = []
    for _ in range(levels):
        inner = [inner]
    return inner


FILES = {"_run.json": about(), "_SUCCESS": END}


@given(st.data())
@settings(max_examples=60)
def test_whatever_a_file_holds_is_a_page_or_advice(data: st.DataObject) -> None:
    (name, *steps), files = damaged(data, FILES)
    with tempfile.TemporaryDirectory() as folder:
        store, what, is_named = write(Path(folder), files), "", False
        try:
            assert Path(make_report(store)).read_text()
        except (InputError, ConflictError) as error:
            what, is_named = error.what, isinstance(error, InputError)
    if what:
        assert what.startswith(f"{folder}/{name} is damaged")
    if is_named:
        named = [step for step in steps if isinstance(step, str)]
        assert "is not JSON" in what or any(step in what for step in named)


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("_SUCCESS", [], "the whole: Input should be a valid dictionary"),
        ("_SUCCESS", {**END, "within_tolerance": "yes"}, "within_tolerance: Input should be"),
        ("_SUCCESS", {**END, "quality": {"gates": [7]}}, "quality.gates.0: Input should be"),
        ("_run.json", {**FILES["_run.json"], "plan": {"parts": "1"}}, "plan.parts: Input should"),
        (
            "_run.json",
            {**FILES["_run.json"], "created_at": "2026-11-22"},
            "created_at: has no time",
        ),
        ("_run.json", {**FILES["_run.json"], "version": 5}, "version: Input should be a valid str"),
        ("_run.json", {**FILES["_run.json"], "identity": [1]}, "identity: Input should be"),
        ("_run.json", {**FILES["_run.json"], "config": {"deep": _nested(300)}}, "too deeply"),
    ],
)
def test_what_is_wrong_is_named(name: str, values: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is damaged: ") as raised:
        make_report(write(tmp_path, {name: values}))
    assert says in raised.value.what
