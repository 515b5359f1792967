"""Rows that an earlier start kept: passed by on the way to the first call, written behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over
from support.lanes import leave, make_lane
from support.places import mark_at, path_of, spool_at, spool_path

from worker.codec.digests import request_digest
from worker.errors import OutputError, leaves
from worker.job import Job
from worker.model import Answer, Batch, Failure, Outcome
from worker.output import recalled
from worker.output.part_writer import PartWriter
from worker.output.spool import Spool, write_spool
from worker.output.spool_format import Mark, Settled
from worker.pipeline import _memory, pipeline
from worker.pipeline.handout import InOrder
from worker.runtime.stop import StopSwitch
from worker.store.base import SpoolFile
from worker.store.local import LocalStore
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Turn

ROWS_PER_PART = 20
BODY = b'{"itemList":[],"recommendationId":"%s"}'


class Bench:
    """Twenty rows a part, four a batch; of each part some are kept. Room for twelve others."""

    def __init__(self, folder: Path, kept: list[range], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pipeline, "_OPEN_ROWS", 12)
        rows = len(kept) * ROWS_PER_PART
        pq.write_table(pa.table({"ID": [f"u{n}" for n in range(rows)]}), folder / "in.parquet")
        self.job = _open(folder)
        self.store, self.switch = LocalStore(folder / "out"), StopSwitch()
        self.tally = Tally(rows_expected=rows)
        self.tps, self.padding = 1e6, b""
        self.called = threading.Event()
        self.on_call: Callable[[], None] = self.called.set
        self.paths = [
            spool_path(self.store, self.job.run_id, chunk.part_name)
            for chunk in self.job.source.chunks
        ]
        for path, rows_of_part in zip(self.paths, kept, strict=True):
            answered = Outcome(Answer(BODY % b"kept", "q"), 1, 0, 5, 0.5)
            first, mark = ROWS_PER_PART * self.paths.index(path), mark_at(path)
            rows_kept = (Settled(row, answered, self.digest(first + row)) for row in rows_of_part)
            write_spool(spool_at(path), mark, ([each] for each in rows_kept))

    def digest(self, row: int) -> bytes:
        (request,) = self.job.builder.build(pa.record_batch({"ID": [f"u{row}"]}))
        assert isinstance(request, bytes)
        return request_digest(request)

    async def call(self, _: bytes, turn: Turn | None = None) -> Answer | Failure:
        if turn is not None and not await leave(turn):
            return SENT_BACK
        self.on_call()
        return Answer(BODY % b"new" + self.padding, "q")

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        return failure

    async def run(self) -> None:
        lane = make_lane(self, switch=self.switch, tally=self.tally, tps=self.tps)
        with self.store.claim(), anyio.fail_after(20):
            await pipeline.run_chunks(
                self.job, InOrder(self.job.source.chunks), lane=lane, tally=self.tally,
                switch=self.switch, store=self.store, listener=RunListener(),
            )  # fmt: skip

    def ids(self, part: int) -> list[str]:
        """Return the recommendationIds of a part."""
        table = pq.read_table(path_of(self.store, f"part-{part:05d}.parquet"))
        return [str(each) for each in table["recommendation_id"].to_pylist()]


def _open(folder: Path) -> Job:
    job = job_over(
        folder / "in.parquet",
        {"user_id": "ID"},
        output={"rows_per_part": ROWS_PER_PART},
        rate={"in_flight_max": 3},
    )
    return replace(job, batch_rows=4)


async def test_what_is_behind_them_is_called_while_they_are_still_to_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, [range(19)], monkeypatch)

    def add(writer: PartWriter, batch: Batch) -> dict[int, Failure]:
        assert bench.called.wait(10)
        return real(writer, batch)

    real = PartWriter.add
    monkeypatch.setattr(PartWriter, "add", add)
    await bench.run()
    assert bench.ids(0) == ["kept"] * 19 + ["new"]
    assert (bench.tally.calls, bench.tally.results) == (1, 20)


@pytest.mark.parametrize("held_bytes_max", [1, 300, 1500, 3000, 6000])
async def test_many_of_them_behind_others_whose_answers_fill_the_room_hold_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held_bytes_max: int
) -> None:
    """Writing waits for the reader to pass them, and so the reader must not wait for a call."""
    monkeypatch.setattr(_memory, "HELD_BYTES_MAX", held_bytes_max)
    bench = Bench(tmp_path, [range(8, 20), *[range(20)] * 3], monkeypatch)
    bench.padding = b" " * 1000
    await bench.run()
    assert bench.ids(0) == ["new"] * 8 + ["kept"] * 12
    assert (bench.tally.calls, bench.tally.results) == (8, 80)


async def test_a_stop_ends_those_who_wait_for_room_that_nobody_will_make(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest batch's rows wait for their turn, and end without one."""
    monkeypatch.setattr(_memory, "HELD_BYTES_MAX", 1)
    bench = Bench(tmp_path, [range(0)], monkeypatch)
    bench.job, bench.tps = replace(bench.job, batch_rows=2), 0.001
    async with anyio.create_task_group() as group:
        group.start_soon(bench.run)
        await anyio.to_thread.run_sync(bench.called.wait, 10)
        await anyio.wait_all_tasks_blocked()
        assert bench.tally.calls == 1
        bench.switch.throw("SIGTERM")
    assert bench.tally.results == 1


async def test_a_stop_commits_parts_that_are_whole_and_writes_nothing_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, [range(20), range(10)], monkeypatch)
    written: list[int] = []

    def stop() -> None:
        bench.switch.throw("SIGTERM")
        bench.called.set()

    def add(writer: PartWriter, batch: Batch) -> dict[int, Failure]:
        assert bench.called.wait(10)
        written.append(batch.chunk.index)
        return real(writer, batch)

    real, bench.on_call = PartWriter.add, stop
    monkeypatch.setattr(PartWriter, "add", add)
    await bench.run()
    assert written == [0] * 5
    assert bench.ids(0) == ["kept"] * 20
    assert not path_of(bench.store, "part-00001.parquet").exists()
    monkeypatch.undo()
    bench.switch, bench.on_call = StopSwitch(), lambda: None
    bench.tally = Tally(rows_expected=40)
    await bench.run()
    assert bench.ids(1) == ["kept"] * 10 + ["new"] * 10


async def test_one_that_is_lost_before_it_is_written_stops_the_run_with_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, [range(19)], monkeypatch)

    def damage(file: SpoolFile, mark: Mark) -> Spool:
        [path] = (path for path in bench.paths if path.name == file.name)
        path.write_bytes(path.read_bytes().replace(b"kept", b"lost"))
        return Spool(file, mark)

    monkeypatch.setattr(recalled, "Spool", damage)
    with pytest.raises(BaseExceptionGroup) as raised:
        await bench.run()
    [error] = leaves(raised.value)
    assert isinstance(error, OutputError)
    assert "was damaged after it was written" in error.what


async def test_rows_that_ask_something_else_by_now_are_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sits where another one did is asked for, or is answered as the part's own first is."""
    bench = Bench(tmp_path, [range(20), range(10)], monkeypatch)
    old = bench.job.source.fingerprint
    order = [0, 2, 1, *range(3, 10), 5, None, *range(12, 40)]
    pq.write_table(
        pa.table({"ID": [None if n is None else f"u{n}" for n in order]}), tmp_path / "in.parquet"
    )
    job = _open(tmp_path)
    bench.job = replace(job, source=replace(job.source, fingerprint=old))
    await bench.run()
    part = pq.read_table(path_of(bench.store, "part-00000.parquet"), columns=["ID", "attempts"])
    assert part["ID"].to_pylist() == [f"u{n}" for n in order[:20] if n is not None]
    assert bench.ids(0) == ["kept", "new", "new", *["kept"] * 16]
    assert part["attempts"].to_pylist()[10] == 0, "it asks what row 5 does"
    assert bench.ids(1) == ["kept"] * 10 + ["new"] * 10
    assert (bench.tally.calls, bench.tally.results) == (12, 39)
