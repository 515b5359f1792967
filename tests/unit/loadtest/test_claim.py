"""Whose folder a load test may take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from worker.errors import ConflictError
from worker.loadtest.claim import claim
from worker.loadtest.result import LoadResult, LoadTarget
from worker.runtime.records import as_json
from worker.store.local import LocalStore

BEGINNING = LoadResult(
    format=1,
    version="1",
    state="running",
    started_at="then",
    target=LoadTarget(operation="GetRecommendations", arn="arn", region="us-east-1"),
    loadtest=None,
    config={},
)
FINISHED = {"state": "finished", "ended_at": "2026-11-21T03:00:00+00:00"}


def claimed(folder: Path, *, overwrite: bool) -> dict[str, Any]:
    """Claim a folder; return the `_loadtest.json` that is there then."""
    store = LocalStore(folder)
    with store.claim():
        claim(store, BEGINNING, overwrite=overwrite)
    return dict(json.loads((folder / "_loadtest.json").read_text()))


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_empty_folder_is_taken(tmp_path: Path, overwrite: bool) -> None:
    assert claimed(tmp_path / "new", overwrite=overwrite) == as_json(BEGINNING)


@pytest.mark.parametrize("state", ["running", "stopped", "aborted"])
def test_a_test_that_did_not_end_is_replaced(tmp_path: Path, state: str) -> None:
    (tmp_path / "_loadtest.json").write_text(json.dumps({**FINISHED, "state": state}))
    (tmp_path / "attempts.parquet").write_text("old")
    assert claimed(tmp_path, overwrite=False) == as_json(BEGINNING)
    assert not (tmp_path / "attempts.parquet").exists()


@pytest.mark.parametrize(
    ("there", "says"), [(json.dumps(FINISHED), "2026-11-21T03:00:00"), ("{", "damaged")]
)
def test_a_test_that_ended_is_replaced_when_asked_to(tmp_path: Path, there: str, says: str) -> None:
    (tmp_path / "_loadtest.json").write_text(there)
    with pytest.raises(ConflictError, match=says):
        claimed(tmp_path, overwrite=False)
    assert (tmp_path / "_loadtest.json").read_text() == there
    assert claimed(tmp_path, overwrite=True) == as_json(BEGINNING)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("name", "says"), [("_run.json", "holds a run"), ("mine.txt", "holds no load test")]
)
def test_what_is_no_load_test_is_never_touched(
    tmp_path: Path, name: str, says: str, overwrite: bool
) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(ConflictError, match=says):
        claimed(tmp_path, overwrite=overwrite)
    assert [path.name for path in tmp_path.iterdir()] == [name]
