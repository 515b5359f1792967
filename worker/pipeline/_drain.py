"""Writes done batches in order, and commits a chunk after its last one."""

from __future__ import annotations

from dataclasses import dataclass, field

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from worker.call.lane import Lane
from worker.job import Job
from worker.model import Batch, Chunk, Failure, Outcome, without_body
from worker.output.part_writer import PartWriter
from worker.output.recalled import Recall
from worker.output.spool_format import Mark
from worker.pipeline._memory import MemoryBound
from worker.pipeline._spool_keeper import SpoolKeeper
from worker.runtime import log
from worker.runtime.stop import StopSwitch
from worker.runtime.thread_load import Load
from worker.store.base import SpoolFile, Store
from worker.telemetry.listener import Committed, RunListener
from worker.telemetry.tally import Tally

# Where the event loop has no time to spare, a thread that decodes beside it costs both sides more
# than the decoding (20 to 40 us a row of 25 items; to decode one takes 12), so the loop does it. So
# many bytes hold it up for some 10 ms (30 where one of them is malformed).
_BUSY_SHARE = 0.6
_SMALL_BYTES = 2 << 20


@dataclass(slots=True)
class _Read:
    """What is known of a batch once its answers are read."""

    duplicates: list[Outcome] = field(default_factory=list)  # without their answers
    malformed: list[Failure] = field(default_factory=list)  # answers that are none
    malformed_duplicates: int = 0  # rows that took over such an answer


class Drain:
    """Writes done batches in the order of the input, and commits each part after its last batch.

    The pipeline's last task. Decodes in a thread, or in the event loop where that has no time to
    spare.
    """

    def __init__(
        self,
        job: Job,
        store: Store,
        tally: Tally,
        switch: StopSwitch,
        memory: MemoryBound,
        keeper: SpoolKeeper,
        lane: Lane,
        listener: RunListener,
    ) -> None:
        self._job = job
        self._store = store
        self._tally = tally
        self._switch = switch
        self._memory = memory
        self._keeper = keeper
        self._lane = lane
        self._load = Load()
        self._listener = listener
        self._writer: PartWriter | None = None
        self._recall: Recall | None = None
        self._again = job.reader_of_all()  # for rows that failed

    async def run(self, done: MemoryObjectReceiveStream[Batch]) -> None:
        """Drain until every lane has ended; discard a part that is then incomplete."""
        waiting: dict[int, Batch] = {}
        left: list[Batch] = []
        expected = 0
        try:
            async with done:
                async for batch in done:
                    waiting[batch.sequence] = batch
                    while (following := waiting.pop(expected, None)) is not None:
                        await self._memory.wait_to_write()
                        if self._switch.reason is None:
                            await self._write(following)
                        else:  # in vain if its part does not become whole
                            left.append(following)
                        expected += 1
                        self._memory.leave(following)
            whole = max((index + 1 for index, batch in enumerate(left) if batch.is_last), default=0)
            for batch in left[:whole]:
                await self._write(batch)
        finally:
            if self._writer is not None:
                self._writer.discard()
            self._again.close()

    async def _write(self, batch: Batch) -> None:
        # Not abandoned on cancellation: a thread writing a file that is being discarded would
        # outlive the run. A commit that has begun is finished.
        if self._writer is None or self._recall is None:
            self._writer = self._open(batch.chunk)
            self._recall = Recall(self._store, *self._spool_of(batch.chunk))
        writer, recall = self._writer, self._recall
        if batch.duplicates:  # of rows that the spool must have by now
            await self._keeper.flush()
        async with anyio.create_task_group() as group:
            if self._keeper.is_full:  # what is freed must be kept: `memory` bounds both
                group.start_soon(self._keeper.flush)
            if writer.has_row_groups:
                group.start_soon(_write_row_groups, writer)
            if writer.is_quick and self._is_for_the_loop(batch):
                read = self._add(writer, recall, batch)
            else:
                read = await to_thread.run_sync(self._add, writer, recall, batch)
        for outcome in read.duplicates:
            self._tally.count_duplicate(outcome)
        self._tally.has_read_results |= writer.books.results > 0
        if read.malformed:
            self._tally.count_malformed(read.malformed, duplicates=read.malformed_duplicates)
            self._lane.judge_run()
        if not batch.is_last:
            return
        self._judge_run(is_all=batch.is_of_last_chunk)
        stopwatch = self._keeper.stopwatch
        writer.books.seconds = stopwatch.read()
        await to_thread.run_sync(writer.commit, self._again)
        if writer.books.errors and self._again.lost:
            log.warning(
                "failed rows lack columns that cannot be read",
                part=batch.chunk.errors_name,
                columns=", ".join(self._again.lost),
            )
        self._writer = self._recall = None
        stopwatch.next_part(writer.books.seconds)
        await self._keeper.forget(batch.chunk)
        books = writer.books
        self._listener.committed(
            Committed(
                chunk=batch.chunk,
                rows=books.rows_read,
                results=books.results,
                errors=books.rows_read - books.results,
                seconds=books.seconds,
            )
        )

    def _is_for_the_loop(self, batch: Batch) -> bool:
        is_busy = self._load.share() > _BUSY_SHARE and not self._lane.is_held_back
        needs_disk = batch.duplicates or batch.spooled or 1 in batch.kept
        return is_busy and not needs_disk and batch.held_bytes <= _SMALL_BYTES

    def _add(self, writer: PartWriter, recall: Recall, batch: Batch) -> _Read:
        """Have `writer` take the batch, as much at a time as there is room for once it is decoded.

        Blocking.
        """
        read = _Read()
        for piece in recall.pieces(batch):
            if piece.first_row > batch.first_row and writer.has_row_groups:
                writer.write()
            malformed = writer.add(piece)
            own = [failure for row, failure in malformed.items() if row not in piece.duplicates]
            read.malformed += own
            read.malformed_duplicates += len(malformed) - len(own)
            read.duplicates += [
                without_body(outcome)
                for row in piece.duplicates
                if (outcome := piece.outcomes[row]) is not None
            ]
        return read

    def _judge_run(self, *, is_all: bool) -> None:
        """Judge a run without any result by all its rows, however few, before a part of it is."""
        tally = self._tally
        if tally.has_results:
            return
        if refusal := tally.refusal(is_part=True, is_all=is_all):
            raise refusal
        if reason := tally.unreached():
            self._switch.throw(reason)
            raise self._switch.error()

    def _spool_of(self, chunk: Chunk) -> tuple[SpoolFile, Mark]:
        run_id = self._job.run_id
        return self._store.spool(run_id, chunk.part_name), Mark.of(run_id, chunk)

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


async def _write_row_groups(writer: PartWriter) -> None:
    """Write what makes row groups: a part must not be committed without them."""
    with anyio.CancelScope(shield=True):
        await to_thread.run_sync(writer.write)
