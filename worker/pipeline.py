"""A run's only task group: feed -> lanes -> drain. Bounded streams hold the reader back."""

import math
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import count

import anyio
import pyarrow as pa
from anyio import to_thread
from anyio.streams.memory import MemoryObjectSendStream

from worker.drain import Drain, OnCommit
from worker.job import Job
from worker.keep import Keeper
from worker.lane import Lane
from worker.model import Batch, Chunk, Failure, answer_bytes
from worker.open_rows import OpenRows
from worker.room import Room
from worker.spool import Spool
from worker.stop import StopSwitch
from worker.store import LocalStore
from worker.tally import Tally

_ROW_BYTES = 8  # its place in a list
# So many rows wait for a slow one before the reader is held back.
_OPEN_ROWS = 8192


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
    room = Room(max(_OPEN_ROWS, 2 * in_flight_max))
    # Never full: `room` bounds the rows on their way, and so the batches.
    todo_in, todo_out = anyio.create_memory_object_stream[Batch](math.inf)
    done_in, done_out = anyio.create_memory_object_stream[Batch](math.inf)
    parts_done = len(job.source.chunks) - len(chunks)
    keeper = Keeper(store, job.run_id, room, parts_done=parts_done)
    drain = Drain(job, store, tally, switch, room, keeper, lane, on_commit, chunks=chunks)
    rows = OpenRows(
        job.builder, todo_out, done_in, room, tally, deduplicate=job.config.input.deduplicate
    )

    async def call_all() -> None:
        async with done_in, todo_out, anyio.create_task_group() as lanes:
            lanes.start_soon(_feed, _reads(job, chunks, store), todo_in, room, switch)
            for _ in range(in_flight_max):
                lanes.start_soon(_work, rows, lane, tally, switch, room, keeper, done_in)

    try:
        # A drain that fails leaves its stream open: lanes may be done before they are cancelled.
        async with done_out, anyio.create_task_group() as group:
            group.start_soon(call_all)
            group.start_soon(keeper.run)
            await drain.run(done_out.clone())
            group.cancel_scope.cancel()
    finally:
        await keeper.close()


async def _feed(
    reads: Generator[list[Batch]],
    todo: MemoryObjectSendStream[Batch],
    room: Room,
    switch: StopSwitch,
) -> None:
    """Read ahead, as far as there is room."""
    async with todo:
        with closing(reads), switch.interruptible(), room.being_read_for():
            while True:
                await room.wait_to_read()
                batches = await to_thread.run_sync(next, reads, None)
                if batches is None:
                    return
                for batch in batches:
                    room.enter(batch)
                    todo.send_nowait(batch)


def _reads(job: Job, chunks: Sequence[Chunk], store: LocalStore) -> Generator[list[Batch]]:
    """Yield the chunks' rows as batches, some at a time; of a chunk without rows an empty one."""
    numbers = count()
    for chunk in chunks:
        with store.errors_as_advice():
            spool = Spool(store.spool_path(job.run_id, chunk.part_name))
        first_row = 0
        reads = job.read(chunk, batches=job.batches_per_read)
        rows = next(reads, None)
        while True:
            following = next(reads, None)
            if rows is None:
                rows = job.no_rows()
            with store.errors_as_advice():
                kept = spool.mask(first_row, rows.num_rows)
            size = job.batch_rows
            batches = [
                _batch(
                    chunk,
                    next(numbers),
                    first_row + offset,
                    rows.slice(offset, size),
                    kept[offset : offset + size],
                )
                for offset in range(0, max(1, rows.num_rows), size)
            ]
            batches[-1].last = following is None
            yield batches
            if following is None:
                break
            first_row += rows.num_rows
            rows = following


def _batch(
    chunk: Chunk, sequence: int, first_row: int, rows: pa.RecordBatch, kept: bytearray
) -> Batch:
    return Batch(
        chunk=chunk,
        sequence=sequence,
        first_row=first_row,
        last=False,
        rows=rows,
        outcomes=[None] * rows.num_rows,
        open_rows=rows.num_rows,
        held_bytes=rows.nbytes + _ROW_BYTES * rows.num_rows,
        kept=kept,
    )


async def _work(
    rows: OpenRows,
    lane: Lane,
    tally: Tally,
    switch: StopSwitch,
    room: Room,
    keeper: Keeper,
    done: MemoryObjectSendStream[Batch],
) -> None:
    """Settle one row after the other until there are no more."""
    while switch.reason is None:
        taken = rows.take_now()
        if taken is None:
            # A stop keeps rows that others wait for: those of the oldest batch make room.
            with switch.interruptible():
                taken = await rows.take()
        if taken is None:
            return
        batch, row, request = taken
        outcome = await lane.settle(request)
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
