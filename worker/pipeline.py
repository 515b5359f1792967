"""A run's only task group: feed -> lanes -> drain. Bounded streams hold the reader back."""

import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing

import anyio
import pyarrow as pa
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from worker.drain import Drain, OnCommit
from worker.duplicates import FirstRows
from worker.job import Job
from worker.keep import Keeper
from worker.lane import Lane
from worker.model import Batch, Chunk, Failure, Outcome, answer_bytes
from worker.room import Room
from worker.spool import Spool
from worker.stop import StopSwitch
from worker.store import LocalStore
from worker.tally import Tally

_ROW_BYTES = 16  # its places in two lists
# So many batches wait for a slow row before the reader is held back.
_OPEN_BATCHES = 8


async def run_chunks(
    job: Job,
    chunks: Sequence[Chunk],
    *,
    lane: Lane,
    tally: Tally,
    switch: StopSwitch,
    store: LocalStore,
    on_commit: OnCommit,
) -> None:
    """Process `chunks` in order, each to its committed part.

    Returns early, with whole parts only, when `switch` is thrown. Errors leave in an
    ExceptionGroup, half-written parts discarded.
    """
    in_flight_max = job.config.rate.in_flight_max
    room = Room(max(_OPEN_BATCHES * job.batch_rows, 2 * in_flight_max))
    todo_in, todo_out = anyio.create_memory_object_stream[Batch](1)
    # Never full: `room` bounds the rows on their way, and so the batches.
    done_in, done_out = anyio.create_memory_object_stream[Batch](math.inf)
    parts_done = len(job.source.chunks) - len(chunks)
    keeper = Keeper(store, job.run_id, room, parts_done=parts_done)
    drain = Drain(job, store, tally, switch, room, keeper, on_commit, chunks=chunks)
    try:
        # A drain that fails leaves its stream open: lanes may be done before they are cancelled.
        async with done_out, todo_out, anyio.create_task_group() as group:
            async with done_in:
                batches = _batches(job, chunks, store)
                group.start_soon(_feed, batches, todo_in, done_in.clone(), room, tally, switch)
                rows = _Rows(todo_out, room)
                for _ in range(in_flight_max):
                    group.start_soon(
                        _work, rows, lane, tally, switch, room, keeper, done_in.clone()
                    )
            async with anyio.create_task_group() as keeping:
                keeping.start_soon(keeper.run)
                await drain.run(done_out.clone())
                keeping.cancel_scope.cancel()
    finally:
        await keeper.close()


async def _feed(
    batches: Generator[Batch],
    todo: MemoryObjectSendStream[Batch],
    done: MemoryObjectSendStream[Batch],
    room: Room,
    tally: Tally,
    switch: StopSwitch,
) -> None:
    """Read ahead, as far as there is room. Batches without open rows need no lane."""
    chunk_rows = needless = 0
    async with todo, done:
        with closing(batches), switch.interruptible(), room.being_read_for():
            while True:
                await room.wait_to_read()
                batch = await to_thread.run_sync(next, batches, None)
                if batch is None:
                    return
                room.enter(batch)
                chunk_rows += len(batch.requests)
                needless += len(batch.requests) - batch.open_rows
                if batch.last:
                    tally.expect(batch.chunk, rows=chunk_rows, needless=needless)
                    chunk_rows = needless = 0
                tally.note_kept(batch.kept.count(1))
                for outcome in batch.outcomes:
                    if outcome is not None:
                        tally.note(outcome)
                if batch.open_rows:
                    await todo.send(batch)
                else:
                    done.send_nowait(batch)


def _batches(job: Job, chunks: Sequence[Chunk], store: LocalStore) -> Generator[Batch]:
    """Yield the chunks' rows as batches; a chunk without rows yields one that is empty."""
    sequence = 0
    for chunk in chunks:
        with store.errors_as_advice():
            spool = Spool(store.spool_path(job.run_id, chunk.part_name))
        asked = FirstRows(chunk.rows) if job.config.input.deduplicate else None
        first_row = 0
        batches = job.read(chunk)
        rows = next(batches, None)
        while True:
            following = next(batches, None)
            if rows is None:
                rows = job.no_rows()
            with store.errors_as_advice():
                kept = spool.mask(first_row, rows.num_rows)
            batch = _batch(
                job, chunk, kept, rows, sequence, first_row=first_row, last=following is None
            )
            if asked is not None:
                asked.strike_out_duplicates(batch)
            for row, is_kept in enumerate(kept):
                if is_kept:  # but for its duplicates, its request was not needed
                    batch.held_bytes -= len(batch.requests[row])
                    batch.requests[row] = b""
            yield batch
            sequence += 1
            first_row += rows.num_rows
            if following is None:
                break
            rows = following


def _batch(
    job: Job,
    chunk: Chunk,
    kept: bytearray,
    rows: pa.RecordBatch,
    sequence: int,
    *,
    first_row: int,
    last: bool,
) -> Batch:
    """Return a batch; rows that cannot be sent, or were answered before a stop, are done."""
    built = job.builder.build(rows)
    requests = [b"" if isinstance(each, Failure) else each for each in built]
    outcomes = [_unsent(each) if isinstance(each, Failure) else None for each in built]
    return Batch(
        chunk=chunk,
        sequence=sequence,
        first_row=first_row,
        last=last,
        rows=rows,
        requests=requests,
        outcomes=outcomes,
        open_rows=outcomes.count(None) - kept.count(1),
        held_bytes=rows.nbytes + sum(map(len, requests)) + _ROW_BYTES * len(requests),
        kept=kept,
    )


class _Rows:
    """Hands the rows of one batch after the other to all lanes."""

    def __init__(self, todo: MemoryObjectReceiveStream[Batch], room: Room) -> None:
        self._todo = todo
        self._room = room
        self._refill = anyio.Lock()
        self._batch: Batch | None = None
        self._next_row = 0

    def take_now(self) -> tuple[Batch, int] | None:
        """Return a batch and the position of an open row of it, or None when `take` must wait."""
        batch = self._batch
        if batch is None or not self._skip_done(batch) or not self._room.may_call(batch):
            return None
        self._next_row += 1
        return batch, self._next_row - 1

    async def take(self) -> tuple[Batch, int] | None:
        """Return what `take_now` does, or None after the last row."""
        while not (taken := self.take_now()):
            async with self._refill:
                if self._batch is not None and self._skip_done(self._batch):
                    await self._room.wait_to_call(self._batch)
                    continue  # or another lane was quicker
                try:
                    self._batch, self._next_row = await self._todo.receive(), 0
                except anyio.EndOfStream:
                    return None
        return taken

    def _skip_done(self, batch: Batch) -> bool:
        """Go on to a row that is to be sent; False when the batch has no more."""
        rows = len(batch.outcomes)
        while self._next_row < rows and (
            batch.outcomes[self._next_row] is not None or not batch.requests[self._next_row]
        ):
            self._next_row += 1
        return self._next_row < rows


async def _work(
    rows: _Rows,
    lane: Lane,
    tally: Tally,
    switch: StopSwitch,
    room: Room,
    keeper: Keeper,
    done: MemoryObjectSendStream[Batch],
) -> None:
    """Settle one row after the other until there are no more."""
    async with done:
        while switch.reason is None and (taken := rows.take_now() or await rows.take()):
            batch, row = taken
            outcome = await lane.settle(batch.requests[row])
            if outcome is None:
                return
            batch.outcomes[row] = outcome
            batch.open_rows -= 1
            room.hold(batch, answer_bytes(outcome))
            keeper.note(batch, row, outcome)
            tally.note(outcome)
            if isinstance(outcome.result, Failure):
                lane.judge_run()
            if batch.open_rows == 0:
                done.send_nowait(batch)


def _unsent(failure: Failure) -> Outcome:
    now_us = time.time_ns() // 1_000
    return Outcome(result=failure, attempts=0, throttles=0, sent_us=now_us, latency_ms=0.0)
