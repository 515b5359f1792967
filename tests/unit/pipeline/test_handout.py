"""Hand-outs: Chunks one by one, and which of them is the last."""

from __future__ import annotations

from pathlib import Path

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
from support.jobs import job_over
from support.lanes import ANSWER, leave, make_lane

from worker.model import Answer, Chunk, Failure, Piece
from worker.pipeline.handout import Handed, InOrder
from worker.pipeline.pipeline import run_chunks
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore
from worker.telemetry.listener import Committed, RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Turn

CHUNKS = [Chunk(index, (Piece("p", 0, index, 1),)) for index in range(3)]


async def test_all_chunks_are_handed_out_in_order_and_the_last_one_is_said_to_be_it() -> None:
    handout = InOrder(CHUNKS)
    handed = [await handout.next() for _ in range(5)]
    assert handed == [
        Handed(CHUNKS[0], is_last=False),
        Handed(CHUNKS[1], is_last=False),
        Handed(CHUNKS[2], is_last=True),
        None,
        None,
    ]


async def test_of_no_chunks_none_is_handed_out() -> None:
    assert await InOrder([]).next() is None


class Coordinated:
    """A hand-out as a coordinator's: some Chunks of a run, of which more may come later."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.parts_done = 0
        self.may_go_on = anyio.Event()
        self.is_asked_again = anyio.Event()  # for a third Chunk, of two
        self._left = chunks

    async def next(self) -> Handed | None:
        if not self._left:
            self.is_asked_again.set()
            await self.may_go_on.wait()
            return None
        return Handed(self._left.pop(0), is_last=False)


class Service:
    """Keeps the first row's answer back until the next Chunk was asked for; rejects others."""

    def __init__(self, handout: Coordinated, result: Answer | Failure) -> None:
        self.handout = handout
        self.result = result

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        if turn is not None and not await leave(turn):
            return SENT_BACK
        if b'"u0"' in body:
            await self.handout.is_asked_again.wait()
        return self.result

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        return failure


class Ending(RunListener):
    """Lets the hand-out end when two parts are there."""

    def __init__(self, handout: Coordinated) -> None:
        self.handout = handout
        self.names: list[str] = []

    def committed(self, part: Committed) -> None:
        self.names.append(part.chunk.part_name)
        if len(self.names) == 2:
            self.handout.may_go_on.set()


async def _run(folder: Path, result: Answer | Failure) -> list[str]:
    pq.write_table(pa.table({"ID": ["u0", "u1", "u2"]}), path := folder / "in.parquet")
    job = job_over(path, {"user_id": "ID"}, output={"rows_per_part": 1}, rate={"in_flight_max": 3})
    switch, tally, store = StopSwitch(), Tally(rows_expected=2), LocalStore(folder / "out")
    handout = Coordinated([*job.source.chunks][:2])
    lane = make_lane(Service(handout, result), switch=switch, tally=tally, tps=100_000)
    listener = Ending(handout)
    with store.claim(), anyio.fail_after(20):
        await run_chunks(
            job, handout, lane=lane, tally=tally, switch=switch, store=store, listener=listener
        )  # fmt: skip
    return listener.names


async def test_the_next_chunk_is_asked_for_while_rows_of_the_one_before_are_still_called_for(
    tmp_path: Path,
) -> None:
    """And parts are committed while the hand-out does not know yet whether there is another."""
    answer = ANSWER._replace(body=b'{"itemList":[],"recommendationId":"r"}')
    assert await _run(tmp_path, answer) == ["part-00000.parquet", "part-00001.parquet"]


async def test_a_chunk_that_is_not_the_last_one_is_no_reason_to_refuse_the_run(
    tmp_path: Path,
) -> None:
    """One row was rejected, of who knows how many: only a run's last Chunk is all of it."""
    rejected = Failure("InvalidInputException", "no such user", http_status=400)
    assert len(await _run(tmp_path, rejected)) == 2
