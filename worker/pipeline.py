"""A run's only task group: feed -> lanes -> drain. Bounded streams hold the reader back."""

import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from worker.job import Job
from worker.lane import Lane, refused
from worker.model import Answer, Batch, Chunk, Failure, Outcome
from worker.part import Books
from worker.room import Room
from worker.stop import StopSwitch
from worker.store import LocalStore
from worker.tally import Tally
from worker.write import PartWriter

# So many batches wait for a slow row before the reader is held back.
_OPEN_BATCHES = 8

# Told of each part that is committed, with its books.
OnCommit = Callable[[Chunk, Books], None]


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
    drain = _Drain(job, store, tally, switch, room, on_commit)
    async with anyio.create_task_group() as group:
        group.start_soon(_feed, job, chunks, todo_in, room, switch)
        async with todo_out, done_in:
            rows = _Rows(todo_out.clone(), room)
            for _ in range(in_flight_max):
                group.start_soon(_work, rows, lane, tally, switch, room, done_in.clone())
        group.start_soon(drain.run, done_out)


async def _feed(
    job: Job,
    chunks: Sequence[Chunk],
    todo: MemoryObjectSendStream[Batch],
    room: Room,
    switch: StopSwitch,
) -> None:
    """Read ahead, as far as there is room."""
    async with todo:
        with closing(_batches(job, chunks)) as batches, switch.interruptible():
            while True:
                await room.wait_to_read()
                batch = await to_thread.run_sync(next, batches, None)
                if batch is None:
                    return
                room.enter(batch)
                await todo.send(batch)


def _batches(job: Job, chunks: Sequence[Chunk]) -> Generator[Batch]:
    """Yield the chunks' rows as batches; a chunk without rows yields one that is empty."""
    sequence = 0
    for chunk in chunks:
        batches = job.read(chunk)
        rows = next(batches, None)
        while True:
            following = next(batches, None)
            if rows is None:
                rows = job.no_rows()
            requests = job.builder.build(rows)
            request_bytes = sum(len(each) for each in requests if isinstance(each, bytes))
            yield Batch(
                chunk=chunk,
                sequence=sequence,
                last=following is None,
                rows=rows,
                requests=requests,
                outcomes=[None] * len(requests),
                open_rows=len(requests),
                held_bytes=rows.nbytes + request_bytes,
            )
            sequence += 1
            if following is None:
                break
            rows = following


class _Rows:
    """Hands the rows of one batch after the other to all lanes."""

    def __init__(self, todo: MemoryObjectReceiveStream[Batch], room: Room) -> None:
        self._todo = todo
        self._room = room
        self._refill = anyio.Lock()
        self._batch: Batch | None = None
        self._next_row = 0

    def take_now(self) -> tuple[Batch, int] | None:
        """Return a batch and the position of a row of it, or None when `take` must wait.

        A batch without rows is handed out once, at position 0, so that it reaches the drain.
        """
        batch, row = self._batch, self._next_row
        if batch is None or row >= max(1, len(batch.requests)) or not self._room.may_call(batch):
            return None
        self._next_row += 1
        return batch, row

    async def take(self) -> tuple[Batch, int] | None:
        """Return what `take_now` does, or None after the last row."""
        while not (taken := self.take_now()):
            async with self._refill:
                if self._batch is not None and self._next_row < max(1, len(self._batch.requests)):
                    await self._room.wait_to_call(self._batch)
                    continue  # or another lane was quicker
                try:
                    self._batch, self._next_row = await self._todo.receive(), 0
                except anyio.EndOfStream:
                    return None
        return taken


async def _work(
    rows: _Rows,
    lane: Lane,
    tally: Tally,
    switch: StopSwitch,
    room: Room,
    done: MemoryObjectSendStream[Batch],
) -> None:
    """Settle one row after the other until there are no more."""
    async with done:
        while switch.reason is None and (taken := rows.take_now() or await rows.take()):
            batch, row = taken
            if batch.requests:
                request = batch.requests[row]
                if isinstance(request, Failure):
                    outcome: Outcome | None = _unsent(request)
                else:
                    outcome = await lane.settle(request)
                if outcome is None:
                    return
                tally.note(outcome)
                if reason := tally.refusal():
                    raise refused(*reason)
                batch.outcomes[row] = outcome
                batch.open_rows -= 1
                if isinstance(outcome.result, Answer):
                    room.hold(batch, len(outcome.result.body))
            if batch.open_rows == 0:
                done.send_nowait(batch)


def _unsent(failure: Failure) -> Outcome:
    now_us = time.time_ns() // 1_000
    return Outcome(result=failure, attempts=0, throttles=0, sent_us=now_us, latency_ms=0.0)


class _Drain:
    """Writes done batches in order, and commits a chunk after its last one."""

    def __init__(
        self,
        job: Job,
        store: LocalStore,
        tally: Tally,
        switch: StopSwitch,
        room: Room,
        on_commit: OnCommit,
    ) -> None:
        self._job = job
        self._store = store
        self._tally = tally
        self._switch = switch
        self._room = room
        self._on_commit = on_commit
        self._writer: PartWriter | None = None
        self._committed_s = time.monotonic()

    async def run(self, done: MemoryObjectReceiveStream[Batch]) -> None:
        """Drain until every lane has ended; discard a part that is then incomplete."""
        waiting: dict[int, Batch] = {}
        expected = 0
        try:
            async with done:
                async for batch in done:
                    waiting[batch.sequence] = batch
                    while (following := waiting.pop(expected, None)) is not None:
                        await self._write(following)
                        expected += 1
                        self._room.leave(following)
        finally:
            if self._writer is not None:
                self._writer.discard()

    async def _write(self, batch: Batch) -> None:
        # Not abandoned on cancellation: a thread writing a file that is being discarded would
        # outlive the run. A commit that has begun is finished.
        if self._writer is None:
            self._writer = self._open(batch.chunk)
        await to_thread.run_sync(self._writer.add, batch)
        if not batch.last:
            return
        self._judge_small_run()
        writer, now_s = self._writer, time.monotonic()
        writer.books.seconds, self._committed_s = now_s - self._committed_s, now_s
        await to_thread.run_sync(
            writer.commit, partial(self._job.read, batch.chunk, all_columns=True)
        )
        self._writer = None
        self._on_commit(batch.chunk, writer.books)

    def _judge_small_run(self) -> None:
        """Judge a run of a single chunk by all its rows, however few, before it is committed."""
        tally = self._tally
        if len(self._job.source.chunks) > 1 or tally.results:
            return
        if refusal := tally.refusal(at_end=True):
            raise refused(*refusal)
        if outage := tally.outage(at_end=True):
            self._switch.throw(outage)
            raise self._switch.error()

    def _open(self, chunk: Chunk) -> PartWriter:
        return PartWriter(
            self._store,
            chunk,
            copied=self._job.copied,
            shape=self._job.shape,
            results_schema=self._job.results_schema,
            errors_schema=self._job.errors_schema,
            exploded=self._job.config.output.layout == "exploded",
            compression=self._job.config.output.compression,
        )
