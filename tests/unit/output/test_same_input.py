"""An input whose files were written again: the same names, sizes and footers, and other rows."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.jobs import job_over
from support.runs import write_parquet

from worker.codec.digests import NO_REQUEST, request_digest
from worker.errors import ConflictError
from worker.job import Job
from worker.model import Answer, Batch, Outcome
from worker.output import same_input
from worker.output.part_writer import PartWriter
from worker.output.run_folder import claim, update_input
from worker.output.run_record import RunRecord
from worker.output.same_input import changed_files, check_parts, rows_digest
from worker.store.local import LocalStore

IDS = [*"abcdefgh"]
CONTEXT = [*"11112222"]
PLAIN = {"compression": "none", "use_dictionary": False}
HOUR_NS = 3_600_000_000_000
ANSWERED = Outcome(Answer(b'{"itemList":[],"recommendationId":"r"}', "q"), 1, 0, 5, 0.5)


def write(folder: Path, ids: list[str | None] = IDS, context: list[str] = CONTEXT) -> None:
    """Write two files, an hour ago."""
    for name, rows in (("a", slice(0, 5)), ("b", slice(5, 8))):
        columns = {"ID": pa.array(ids[rows], pa.string()), "C": context[rows], "X": ids[rows]}
        path = write_parquet(folder / "in" / f"{name}.parquet", columns, **PLAIN)
        back_date(path)


def back_date(path: Path, hours: int = 1) -> None:
    then_ns = path.stat().st_mtime_ns - hours * HOUR_NS
    os.utime(path, ns=(then_ns, then_ns))


def opened(folder: Path, **keys: Any) -> Job:
    """Open a job whose parts have three rows: the second one has rows of both files."""
    columns = {"user_id": "ID", "context": {"K": "C"}}
    return job_over(folder / "in", columns, input=keys, output={"rows_per_part": 3})


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "out")


def run(job: Job, store: LocalStore) -> RunRecord:
    """Write the first two parts; return `_run.json`."""
    with store.claim():
        run = claim(job, store, overwrite=False)
        for chunk in job.source.chunks[:2]:
            writer = PartWriter(
                store, chunk, copied=job.copied, shape=job.shape,
                results_schema=job.results_schema, errors_schema=job.errors_schema,
                exploded=False, compression="zstd",
            )  # fmt: skip
            for rows in job.read(chunk):
                made = job.builder.build(rows)
                digests = [
                    request_digest(each) if isinstance(each, bytes) else NO_REQUEST for each in made
                ]
                count = rows.num_rows
                batch = Batch(chunk, 0, 0, True, rows, [ANSWERED] * count, 0, 0,
                              kept=bytearray(count), digests=bytearray().join(digests))  # fmt: skip
                writer.add(batch)
            writer.commit(job.reader_of_all())
    return run


def check(job: Job, store: LocalStore, run: RunRecord) -> None:
    check_parts(job, store, run, job.source.chunks[:2], changed_files(job.source, run))


def test_files_that_are_unchanged_are_trusted(
    tmp_path: Path, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    recorded = run(opened(tmp_path), store)
    assert changed_files(opened(tmp_path).source, recorded) == frozenset()
    monkeypatch.setattr(same_input, "rows_digest", None)  # nothing is read
    check(opened(tmp_path), store, recorded)


def _touch(path: Path) -> None:
    path.touch()


def _copy(path: Path) -> None:
    """Take a copy's place, with the times of the file."""
    content, state = path.read_bytes(), path.stat()
    other = path.with_name("_other")
    other.write_bytes(content)
    os.utime(other, ns=(state.st_mtime_ns, state.st_mtime_ns))
    other.replace(path)


def _write_in_place(path: Path) -> None:
    """Write the same, and set the clock of the content back: the inode's own tells."""
    state = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(state.st_mtime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("change", [_touch, _copy, _write_in_place])
def test_a_file_that_was_touched_is_compared_and_holds_what_it_did(
    tmp_path: Path, store: LocalStore, change: Callable[[Path], None]
) -> None:
    write(tmp_path)
    recorded, path = run(opened(tmp_path), store), tmp_path / "in" / "a.parquet"
    change(path)
    job = opened(tmp_path)
    assert changed_files(job.source, recorded) == {str(path)}
    check(job, store, recorded)
    back_date(path)
    job = opened(tmp_path)
    with store.claim():
        update_input(job, store, recorded)
        assert changed_files(job.source, claim(job, store, overwrite=False)) == frozenset()


def test_a_file_that_was_written_just_before_it_was_looked_at_is_not_trusted(
    tmp_path: Path, store: LocalStore
) -> None:
    """It may be written once more within the same tick of the clock."""
    write(tmp_path)
    path = tmp_path / "in" / "b.parquet"
    path.touch()
    assert changed_files(opened(tmp_path).source, run(opened(tmp_path), store)) == {str(path)}


@pytest.mark.parametrize(
    ("ids", "context", "part", "named"),
    [
        ([*"bacdefgh"], CONTEXT, "part-00000", ["a"]),
        ([*"abcedfgh"], CONTEXT, "part-00001", ["a", "b"]),
        (IDS, [*"11121222"], "part-00001", ["a", "b"]),
        (IDS, [*"21111222"], "part-00000", ["a"]),
    ],
    ids=["order", "order of the second part", "context", "context of the first part"],
)
def test_a_part_that_was_made_from_other_rows_is_a_conflict_that_names_it_and_the_files(
    tmp_path: Path, store: LocalStore, ids: list[str | None], context: list[str], part: str,
    named: list[str],
) -> None:  # fmt: skip
    write(tmp_path)
    recorded = run(opened(tmp_path), store)
    before = opened(tmp_path).run_id
    write(tmp_path, ids, context)
    job = opened(tmp_path)
    assert job.run_id == before, "the footers are the same"
    with pytest.raises(ConflictError, match=f"{part}.parquet was made from other rows") as raised:
        check(job, store, recorded)
    for name in "ab":
        assert (f"{name}.parquet" in raised.value.what.split(" in ")[1]) == (name in named)
    assert "version" not in raised.value.what


def test_rows_of_parts_that_are_not_done_may_differ(tmp_path: Path, store: LocalStore) -> None:
    write(tmp_path)
    recorded = run(opened(tmp_path), store)
    write(tmp_path, [*"abcdefhg"])
    check(opened(tmp_path), store, recorded)


def test_columns_that_nothing_is_made_from_may_differ(tmp_path: Path, store: LocalStore) -> None:
    write(tmp_path)
    recorded = run(opened(tmp_path, keep=["C"]), store)
    columns = {"ID": IDS[:5], "C": CONTEXT[:5], "X": [*"bacde"]}
    write_parquet(tmp_path / "in" / "a.parquet", columns, **PLAIN)
    check(opened(tmp_path, keep=["C"]), store, recorded)
    write(tmp_path, [*"bacdefgh"])
    with pytest.raises(ConflictError, match="other rows"):
        check(opened(tmp_path, keep=["C"]), store, recorded)


def test_rows_that_cannot_be_sent_are_compared_by_what_is_copied(
    tmp_path: Path, store: LocalStore
) -> None:
    write(tmp_path, [None, *IDS[1:]])
    recorded = run(opened(tmp_path), store)
    _touch(tmp_path / "in" / "a.parquet")  # so that they are compared
    check(opened(tmp_path), store, recorded)
    write(tmp_path, ["b", None, *IDS[2:]])
    with pytest.raises(ConflictError, match="was made from other rows"):
        check(opened(tmp_path), store, recorded)


@pytest.mark.parametrize("batch_rows", [1, 2, 1000])
def test_the_digest_does_not_depend_on_batches(tmp_path: Path, batch_rows: int) -> None:
    write(tmp_path)
    job = opened(tmp_path)
    for chunk in job.source.chunks:
        other = replace(job, batch_rows=batch_rows)
        with job.reader() as reader, other.reader() as again:
            assert rows_digest(other, again, chunk) == rows_digest(job, reader, chunk)


def test_a_stop_ends_it_without_a_word(tmp_path: Path, store: LocalStore) -> None:
    write(tmp_path)
    recorded = run(opened(tmp_path), store)
    write(tmp_path, [*"bacdefgh"])
    job = opened(tmp_path)
    changed = changed_files(job.source, recorded)
    check_parts(job, store, recorded, job.source.chunks[:2], changed, lambda: True)


def test_where_another_version_began_it_both_are_named(tmp_path: Path, store: LocalStore) -> None:
    """Its requests may be others for the same rows."""
    write(tmp_path)
    recorded = run(opened(tmp_path), store)
    write(tmp_path, [*"bacdefgh"])
    with pytest.raises(ConflictError, match=r"or version \S+ of this program .* than 0\.0\.9 did"):
        check(opened(tmp_path), store, replace(recorded, version="0.0.9"))
