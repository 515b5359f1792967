"""What is left to do, counted before the first call."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.jobs import job_over
from support.places import mark_at, spool_at, spool_path

from worker.codec.digests import request_digest
from worker.commands.plan import make_plan
from worker.errors import InputError, StoppedError
from worker.job import Job, open_job
from worker.model import Answer, Chunk, Outcome
from worker.output.spool import write_spool
from worker.output.spool_format import Settled
from worker.pipeline import forecast
from worker.pipeline.forecast import count, look_ahead, reader_to_count
from worker.rate.choice import choose_rate
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore
from worker.telemetry.tally import Tally

ANSWERED = Outcome(Answer(b"{}", None), 1, 0, 5, 0.5)
LISTS = pa.list_(pa.string())


def open_input(folder: Path, rows: list[tuple[Any, ...]], **keys: object) -> Job:
    """Open rows of ID, DAYPART, TIER and GENRES; parts of six."""
    names = {"ID": pa.string(), "DAYPART": pa.string(), "TIER": pa.int64(), "GENRES": LISTS}
    columns = zip(*rows, strict=True)
    table = {
        name: pa.array(each, kind)
        for (name, kind), each in zip(names.items(), columns, strict=False)
    }
    pq.write_table(pa.table(table), path := folder / "in.parquet", row_group_size=4)
    columns_used = {"user_id": "ID", "context": {"DAYPART": "DAYPART"}}
    return job_over(path, columns_used, input=keys, output={"rows_per_part": 6})


def counted(job: Job, chunk: Chunk) -> tuple[int, int]:
    with reader_to_count(job) as reader:
        return count(job, reader, chunk)


ids = st.sampled_from(["a", "b", "c", "d", "e"])
dayparts = st.sampled_from(["am", "pm", None])


@given(
    rows=st.lists(st.tuples(ids, dayparts, st.integers(0, 2)), min_size=1, max_size=30),
    where=st.sampled_from([None, "TIER = 0", "TIER < 2 AND ID <> 'a'", "TIER > 5"]),
    deduplicate=st.booleans(),
)
def test_rows_and_calls_are_those_that_plan_finds_by_making_every_request(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    where: str | None,
    *,
    deduplicate: bool,
) -> None:
    job = open_input(tmp_path_factory.mktemp("in"), rows, where=where, deduplicate=deduplicate)
    counts = [counted(job, chunk) for chunk in job.source.chunks]
    store = LocalStore(Path(job.config.output.path))
    choice = choose_rate(job.config.rate, job.config.stop, provisioned_tps=1.0)
    plan = make_plan(job, store, choice, now=datetime.now().astimezone())
    assert (sum(rows for rows, _ in counts), sum(calls for _, calls in counts)) == (
        plan.rows,
        plan.calls,
    )


def test_what_cannot_be_compared_counts_as_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("a", None, 0, ["x"])] * 5
    listed = {"user_id": "ID", "filter_values": {"G": "GENRES"}}
    job = open_input(tmp_path, rows, columns=listed)
    assert counted(job, job.source.chunks[0]) == (5, 5)
    monkeypatch.setattr(forecast, "_BATCH_ROWS", 2)
    monkeypatch.setattr(forecast, "COMPARED_ROWS_MAX", 3)
    job = open_input(tmp_path, rows)
    assert counted(job, job.source.chunks[0]) == (5, 2)


@pytest.mark.parametrize("kind", [pa.uuid(), pa.json_()])
def test_values_of_extension_types_are_compared(kind: Any, tmp_path: Path) -> None:
    values = [b"0123456789abcdef", b"0123456789abcdeg"] if kind == pa.uuid() else ['"a"', '"b"']
    config = open_input(tmp_path, [("a", None)]).config
    table = pa.table({"ID": pa.array([*values, *values], kind), "DAYPART": ["am"] * 4})
    pq.write_table(table, tmp_path / "in.parquet")
    job = open_job(config)
    assert counted(job, job.source.chunks[0]) == (4, 2)


async def test_what_is_kept_of_an_earlier_start_needs_no_call(tmp_path: Path) -> None:
    job = open_input(tmp_path, [(f"u{n % 9}", None, 0) for n in range(12)], where="ID <> 'u0'")
    store, tally = LocalStore(tmp_path / "out"), Tally(rows_expected=12)
    path = spool_path(store, job.run_id, "part-00001.parquet")
    write_spool(spool_at(path), mark_at(path), [_asked(job, 1, 0, 1)])
    await look_ahead(job, job.source.chunks, tally, store, StopSwitch())
    assert (tally.rows_expected, tally.rows_to_call) == (10, 8)


async def test_what_is_kept_for_requests_that_no_row_makes_by_now_is_called_for(
    tmp_path: Path,
) -> None:
    """Half of the rows ask something else: the input was written again."""
    job = open_input(tmp_path, [(f"u{n}", None, 0) for n in range(12)])
    store, tally = LocalStore(tmp_path / "out"), Tally(rows_expected=12)
    path = spool_path(store, job.run_id, "part-00000.parquet")
    kept = _asked(job, 0, *range(4))
    stale = [row._replace(digest=bytes(16)) for row in kept[2:]]
    write_spool(spool_at(path), mark_at(path), [[*kept[:2], *stale]])
    await look_ahead(job, job.source.chunks, tally, store, StopSwitch())
    assert (tally.rows_expected, tally.rows_to_call) == (12, 10)


def _asked(job: Job, part: int, *rows: int) -> list[Settled]:
    """Return answers to what rows of a part ask."""
    (read,) = job.read(job.source.chunks[part])
    built = job.builder.build(read)
    digests = {row: request_digest(each) for row in rows if isinstance(each := built[row], bytes)}
    return [Settled(row, ANSWERED, digest) for row, digest in digests.items()]


async def test_a_stop_ends_it_early(tmp_path: Path) -> None:
    job = open_input(tmp_path, [("a", None, 0)] * 12)
    store, tally, switch = LocalStore(tmp_path / "out"), Tally(rows_expected=12), StopSwitch()
    switch.throw("SIGTERM")
    with pytest.raises(StoppedError, match="SIGTERM"):
        await look_ahead(job, job.source.chunks, tally, store, switch)
    assert not tally.expected


async def test_a_damaged_input_is_found_before_the_first_call(tmp_path: Path) -> None:
    job = open_input(tmp_path, [("a", None, 0)] * 12)
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    tally, store = Tally(rows_expected=12), LocalStore(tmp_path / "out")
    with pytest.raises(InputError, match="written again"):
        await look_ahead(job, job.source.chunks, tally, store, StopSwitch())


def test_rows_beyond_the_bytes_that_are_compared_count_as_different(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = open_input(tmp_path, [("a", "noon", 1, None)] * 6)
    (chunk,) = job.source.chunks
    assert counted(job, chunk) == (6, 1)
    monkeypatch.setattr(forecast, "COMPARED_BYTES_MAX", 0)
    assert counted(job, chunk) == (6, 6)
