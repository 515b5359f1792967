"""Whose an output folder is: every difference that counts is found, and said with both values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.jobs import job_over
from support.places import path_of, spool_path
from support.runs import campaign_arn, write_users

from worker.errors import ConflictError
from worker.job import Job
from worker.output.run_folder import check_owner, claim
from worker.store.local import LocalStore

FILTER = campaign_arn("f").replace("campaign/", "filter/")


def opened(folder: Path, section: str | None = None, **keys: Any) -> Job:
    sections = {} if section is None else {section: keys}
    return job_over(folder / "users.parquet", {"user_id": "USER_ID"}, **sections)


@pytest.mark.parametrize(
    ("section", "keys", "name", "before", "after"),
    [
        ("target", {"campaign_arn": campaign_arn("d")}, "target.campaign_arn",
         f'"{campaign_arn("c")}"', f'"{campaign_arn("d")}"'),
        ("target", {"region": "eu-west-1"}, "target.region", "nothing", '"eu-west-1"'),
        ("request", {"num_results": 7}, "request.num_results", "nothing", "7"),
        ("request", {"context": {"A": "x"}}, "request.context.A", "nothing", '"x"'),
        ("request", {"filter_arn": FILTER}, "request.filter_arn", "nothing", f'"{FILTER}"'),
        ("input", {"deduplicate": False}, "input.deduplicate", "true", "false"),
        ("input", {"keep": ["USER_ID"]}, "input.keep", "[]", '["USER_ID"]'),
        ("input", {"where": "USER_ID > 'a'"}, "input.where", "nothing", "\"USER_ID > 'a'\""),
        ("input", {"columns": {"user_id": "USER_ID", "context": {"K": "USER_ID"}}},
         "input.columns.context.K", "nothing", '"USER_ID"'),
        ("output", {"layout": "exploded"}, "output.layout", '"nested"', '"exploded"'),
        ("output", {"compression": "none"}, "output.compression", '"zstd"', '"none"'),
        ("output", {"rows_per_part": 1}, "output.rows_per_part", "100000", "1"),
    ],
)  # fmt: skip
def test_a_key_that_counts_makes_another_run_whichever_way_it_changes(
    tmp_path: Path, section: str, keys: dict[str, Any], name: str, before: str, after: str
) -> None:
    write_users(tmp_path, 3)
    plain, changed = opened(tmp_path), opened(tmp_path, section, **keys)
    assert plain.run_id != changed.run_id
    for folder, there, here, said in (
        ("one", plain, changed, f"{name}: {before} there, {after} here"),
        ("two", changed, plain, f"{name}: {after} there, {before} here"),
    ):
        store = LocalStore(tmp_path / folder)
        with store.claim():
            claim(there, store, overwrite=False)
            store.write("part-00000.parquet", b"one that is done")
        assert check_owner(there, store) is not None
        with pytest.raises(ConflictError, match="holds another run") as raised:
            check_owner(here, store)
        assert said in raised.value.what


def test_other_paths_and_rates_are_the_same_run(tmp_path: Path) -> None:
    write_users(tmp_path, 3)
    store = LocalStore(tmp_path / "out")
    with store.claim():
        claim(opened(tmp_path), store, overwrite=False)
    assert check_owner(opened(tmp_path, "rate", tps=5), store) is not None
    write_users(tmp_path / "elsewhere", 3)
    moved = opened(tmp_path, "input", path=str(tmp_path / "elsewhere" / "users.parquet"),
                   columns={"user_id": "USER_ID"})  # fmt: skip
    assert check_owner(moved, store) is not None


def test_other_rows_are_another_run(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "out")
    write_users(tmp_path, 3)
    with store.claim():
        claim(opened(tmp_path), store, overwrite=False)
        store.write("_errors/part-00000.parquet", b"a failed row")
        write_users(tmp_path, 4)
        with pytest.raises(ConflictError, match="the input's data: files were added"):
            check_owner(opened(tmp_path), store)


def test_a_run_that_is_replaced_leaves_no_answers_behind_and_what_is_no_runs_alone(
    tmp_path: Path,
) -> None:
    write_users(tmp_path, 3)
    store, job = LocalStore(tmp_path / "out"), opened(tmp_path)
    with store.claim():
        before = claim(job, store, overwrite=False)
        spool = spool_path(store, job.run_id, "part-00000.parquet")
        spool.parent.mkdir(parents=True)
        for path in (spool, path_of(store, "part-00000.parquet")):
            path.write_text("x")
        assert claim(job, store, overwrite=True).run_id == before.run_id
        assert not spool.exists()
        assert store.list() == ["_run.json"]
        path_of(store, "notes.txt").write_text("x")
        with pytest.raises(ConflictError, match=r"notes\.txt"):
            claim(job, store, overwrite=True)
        assert store.list() == ["notes.txt"]


def test_a_folder_in_which_a_run_left_nothing_is_taken_over(tmp_path: Path) -> None:
    """Whatever names are there: a spool without an answer, a report that somebody asked for."""
    write_users(tmp_path, 3)
    there, here = opened(tmp_path), opened(tmp_path, "request", num_results=7)
    store = LocalStore(tmp_path / "out")
    with store.claim():
        claim(there, store, overwrite=False)
        store.write("_report.html", b"a page")
        spool = spool_path(store, there.run_id, "part-00000.parquet")
        spool.parent.mkdir(parents=True)
        spool.touch()
        assert check_owner(here, store) is None
        spool.write_bytes(b"an answer")
        with pytest.raises(ConflictError, match="holds another run"):
            check_owner(here, store)
        spool.write_bytes(b"")
        assert claim(here, store, overwrite=False).run_id == here.run_id
        assert not spool.exists()
