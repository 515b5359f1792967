"""The byte budget: each row of the table is a bound that holds."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import anyio.lowlevel
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over
from support.lanes import leave, make_lane
from unit.pipeline.test_memory import batch

from worker.job import Job
from worker.model import Answer, Batch, Failure
from worker.output import spool
from worker.pipeline import _memory, pipeline
from worker.pipeline._feed import ChunkReader
from worker.pipeline._memory import MemoryBound
from worker.pipeline.handout import Handed, InOrder
from worker.runtime.memory_budget import (
    BATCH_BYTES_MAX,
    HELD_BYTES_MAX,
    INTAKE_BYTES_MAX,
    SPOOLED_FROM_BYTES,
)
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Turn
from worker.transport.intake import Flow, Intake

MIB = 1 << 20


def opened(folder: Path, columns: dict[str, Any], **keys: Any) -> Job:
    pq.write_table(pa.table(columns), path := folder / "in.parquet")
    return job_over(path, {"user_id": "ID"}, input=keys, rate={"in_flight_max": 16})


def is_shut(intake: Intake) -> bool:
    return not intake.may_grow(Flow(intake, lambda: None))


def test_no_more_calls_are_made_than_there_is_room_for_such_answers_as_were_seen() -> None:
    memory, first = MemoryBound(1000), batch(0)
    for _ in range(10):
        memory.count_call()
        assert memory.may_call(first)  # of answers nobody knows yet
    memory.hold(first, 10 * MIB)
    assert not memory.may_call(first)  # nine are on their way, and come to 90 MiB
    for _ in range(4):
        memory.hold(first, 10 * MIB)
    assert memory.may_call(first)
    assert INTAKE_BYTES_MAX // (10 * MIB) == 6


def test_one_call_is_always_made_however_large_answers_are() -> None:
    memory, first = MemoryBound(1000, answer_bytes=2 * INTAKE_BYTES_MAX), batch(0)
    assert memory.may_call(first)
    memory.count_call()
    assert not memory.may_call(first)


def test_a_large_answer_is_forgotten_after_many_small_ones() -> None:
    memory, first = MemoryBound(1000), batch(0)
    memory.hold(first, 60 * MIB)
    for _ in range(300):
        memory.hold(first, 1000)
    for _ in range(100):
        memory.count_call()
    assert memory.may_call(batch(0))


def test_answers_beyond_their_room_are_to_stay_in_the_spool_and_none_comes_until_then() -> None:
    intake = Intake()
    memory, first = MemoryBound(1000, intake=intake), batch(0)
    assert memory.hold(first, SPOOLED_FROM_BYTES - 1)
    assert not memory.hold(first, 10)
    assert is_shut(intake)
    memory.release(first, 10)
    assert not is_shut(intake)
    assert first.answers_bytes == SPOOLED_FROM_BYTES - 1
    memory.leave(first)
    assert memory.hold(batch(1), MIB)


def test_a_row_that_failed_has_nothing_to_stay_in_the_spool() -> None:
    memory, first = MemoryBound(1000, intake=(intake := Intake())), batch(0)
    assert memory.hold(first, SPOOLED_FROM_BYTES - 1)
    assert not memory.hold(first, 10)
    assert memory.hold(first, 0)  # before the answer has left memory
    memory.release(first, 10)
    assert not is_shut(intake)


def test_wide_rows_do_not_shut_the_answers_out_that_they_wait_for() -> None:
    memory, wide = MemoryBound(1000, intake=(intake := Intake())), batch(0, held_bytes=2**30)
    memory.enter(wide)
    assert memory.may_call(wide)
    assert memory.hold(wide, MIB)
    assert not is_shut(intake)
    assert HELD_BYTES_MAX < 2**30


def test_a_batch_of_the_input_is_cut_by_what_it_comes_to_decoded(tmp_path: Path) -> None:
    """500 rows of 500 KB each, which the file holds twice; its footer says 4 KB a row."""
    texts = ["a" * 500_000, "b" * 500_000]
    ids, wide = [str(row) for row in range(500)], [texts[row % 2] for row in range(500)]
    job = opened(tmp_path, {"ID": ids, "WIDE": wide}, keep=["WIDE"])
    assert job.source.row_bytes < 10_000
    before, most, found = pa.total_allocated_bytes(), 0, list[str]()
    (chunk,) = job.source.chunks
    with ChunkReader(job, LocalStore(tmp_path / "out")) as reader:
        for batches in reader.read(Handed(chunk, is_last=True)):
            for each in batches:
                assert each.rows.nbytes <= BATCH_BYTES_MAX
                found += map(str, each.rows["ID"].to_pylist())
            del each
            most = max(most, pa.total_allocated_bytes() - before)
    assert found == ids
    assert most < 160 * MIB  # a step of 64 rows, and what is made of it; all of them: 250 MB


class Large:
    """A transport whose answers have a MiB each, but for those of rows that end in 7."""

    def __init__(self) -> None:
        self.called = 0

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        if turn is not None and not await leave(turn):
            return SENT_BACK
        self.called += 1
        await anyio.lowlevel.checkpoint()
        user = body.decode().split('"userId":"')[1].split('"')[0]
        padding = b"" if user.endswith("7") else b" " * MIB
        answer = b'{"itemList":[{"itemId":"i%s"}],%s"recommendationId":"r%s"}'
        return Answer(answer % (user.encode(), padding, user.encode()), "q")

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        return failure


async def test_answers_that_stay_in_the_spool_are_written_to_their_own_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Duplicates' and small ones, too; and little of them is in memory at any time."""
    monkeypatch.setattr(_memory, "SPOOLED_FROM_BYTES", 4 * MIB)
    monkeypatch.setattr(spool, "SPOOL_READ_BYTES", 2 * MIB)
    users = [f"u{row % 45}" for row in range(80)]
    job = opened(tmp_path, {"ID": users})
    switch, tally, store = StopSwitch(), Tally(rows_expected=80), LocalStore(tmp_path / "out")
    lane = make_lane(large := Large(), switch=switch, tally=tally, tps=100_000)
    most = 0

    def watch(memory: MemoryBound, of: Batch, size: int) -> bool:
        nonlocal most
        kept = real(memory, of, size)
        held = [each for each in gc.get_objects() if isinstance(each, Answer)]
        most = max(most, sum(len(each.body) for each in held))
        return kept

    real = MemoryBound.hold
    monkeypatch.setattr(MemoryBound, "hold", watch)
    with store.claim():
        await pipeline.run_chunks(
            job, InOrder(job.source.chunks), lane=lane, tally=tally, switch=switch, store=store,
            listener=RunListener(),
        )  # fmt: skip
    rows = pq.read_table(tmp_path / "out" / "part-00000.parquet").to_pylist()
    assert [(row["ID"], row["recommendation_id"]) for row in rows] == [(u, f"r{u}") for u in users]
    assert [row["items"][0]["item_id"] for row in rows] == [f"i{user}" for user in users]
    assert large.called == 45
    assert (tally.results, tally.duplicates) == (80, 35)
    assert most < 30 * MIB  # 4 that stay, and one or two of each of 16 calls; without it: 40
