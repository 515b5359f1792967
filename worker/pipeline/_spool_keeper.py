"""Answers go to their chunk's spool every two seconds; the spool ends with the chunk's commit."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import anyio
from anyio import to_thread

from worker.model import Answer, Batch, Chunk, Outcome
from worker.output.spool import SpoolWriter
from worker.output.spool_format import Mark, Settled, pack
from worker.output.stopwatch import Stopwatch
from worker.pipeline._memory import MemoryBound
from worker.runtime.memory_budget import UNSPOOLED_BYTES_MAX
from worker.store.base import SpoolFile, Store

# What a kill costs is what was answered since the block before was begun, and what is in flight:
# two seconds of calls, and the time to write a block, after so many seconds of which calls wait.
FLUSH_S = 2.0
LATE_S = 2.0
STOPWATCH = "seconds"
_FILES_MAX = 16  # of small parts thousands may be begun at the same time
_BLOCK_ROWS = 32  # packed at once: what takes longer makes calls late


class SpoolKeeper:
    """Keeps answers that are paid for in the spool of their chunk, until its part is committed.

    Blocks are made in the event loop, and written in a worker thread. Its stopwatch, which counts
    the seconds of all invocations, is in a spool file, too.
    """

    def __init__(self, store: Store, run_id: str, memory: MemoryBound, *, parts_done: int) -> None:
        self._store = store
        self._run_id = run_id
        self._memory = memory
        self._unpacked = defaultdict[Chunk, list[Settled]](list)
        self._blocks = defaultdict[Chunk, list[bytes]](list)
        self._unwritten_bytes = 0  # of bodies, packed or not
        self._writers = OrderedDict[Chunk, SpoolWriter]()  # the one used last is at the end
        self._unsynced = set[Chunk]()
        self._one_at_a_time = anyio.Lock()
        self.stopwatch = Stopwatch(store.spool(run_id, STOPWATCH), parts_done=parts_done)

    def keep(self, batch: Batch, row: int, outcome: Outcome) -> None:
        """Keep a row's answer. A row that failed is not kept: the next invocation calls for it."""
        if isinstance(outcome.result, Answer):
            rows = self._unpacked[batch.chunk]
            rows.append(Settled(batch.first_row + row, outcome, batch.digest(row)))
            self._unwritten_bytes += len(outcome.result.body)
            if len(rows) == _BLOCK_ROWS:
                self._pack(batch.chunk)

    @property
    def is_full(self) -> bool:
        """Whether so much is unwritten that `flush` must come before two seconds are over."""
        return self._unwritten_bytes >= UNSPOOLED_BYTES_MAX

    async def run(self) -> None:
        """Write every two seconds, and sync every two seconds, until cancelled.

        These are two loops: a sync may take long, and writing does not wait for it.
        """
        async with anyio.create_task_group() as group:
            for step in (self.flush, self._sync):
                group.start_soon(_repeat, step)

    async def flush(self) -> None:
        """Write what is unwritten, against a kill. Shielded from cancellation. Raises OutputError.

        While it is late no call begins, so that a slow disk does not raise what a kill costs.
        """
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                for chunk in tuple(self._unpacked):
                    self._pack(chunk)
                blocks, self._blocks = self._blocks, defaultdict(list)
                self._unwritten_bytes = 0
                if blocks:
                    await self._write_watched(blocks)

    async def forget(self, chunk: Chunk) -> None:
        """Drop the spool of a chunk whose part is committed."""
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                self._unpacked.pop(chunk, None)
                self._blocks.pop(chunk, None)
                self._unsynced.discard(chunk)
                if writer := self._writers.pop(chunk, None):
                    writer.close()
                self._store.drop_spool(self._run_id, chunk.part_name)

    async def close(self) -> None:
        """Write what is unwritten, and close the files, which stay."""
        try:
            await self.flush()
            await self._sync()
        finally:
            for writer in self._writers.values():
                writer.close()
            self._writers.clear()

    def _pack(self, chunk: Chunk) -> None:
        self._blocks[chunk] += pack(self._unpacked.pop(chunk), Mark.of(self._run_id, chunk))

    async def _write_watched(self, blocks: Mapping[Chunk, Sequence[bytes]]) -> None:
        """Write, and let no call begin while that is late. To be shielded.

        Where the disk is not late, no task is cancelled: each would leave garbage.
        """
        written = anyio.Event()

        async def write() -> None:
            await to_thread.run_sync(self._write, blocks)
            written.set()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(write)
                with anyio.move_on_after(LATE_S):
                    await written.wait()
                if not written.is_set():
                    self._memory.close()
        finally:
            self._memory.open()

    def _file(self, chunk: Chunk) -> SpoolFile:
        return self._store.spool(self._run_id, chunk.part_name)

    def _write(self, blocks: Mapping[Chunk, Sequence[bytes]]) -> None:
        self._store.check_claimed()
        with self._store.errors_as_advice():
            for chunk, blocks_of_it in blocks.items():
                self._writer(chunk).append(blocks_of_it)
                self._unsynced.add(chunk)

    def _writer(self, chunk: Chunk) -> SpoolWriter:
        if chunk not in self._writers:
            if len(self._writers) >= _FILES_MAX:
                self._writers.popitem(last=False)[1].close()
            self._writers[chunk] = SpoolWriter(self._file(chunk))
        self._writers.move_to_end(chunk)
        return self._writers[chunk]

    async def _sync(self) -> None:
        """Bring what was written to the disk itself. Blocks may be written meanwhile."""
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                files = [self._file(chunk) for chunk in self._unsynced]
                self._unsynced.clear()
            await to_thread.run_sync(self._sync_files, files)

    def _sync_files(self, files: Sequence[SpoolFile]) -> None:
        self._store.check_claimed()
        with self._store.errors_as_advice():
            for file in files:  # one that is gone has its part
                file.sync()
            if self._store.has_spools(self._run_id):  # not of a run that was never answered
                self.stopwatch.keep()
                self._store.sync_spools(self._run_id)


async def _repeat(step: Callable[[], Awaitable[None]]) -> None:
    while True:
        await anyio.sleep(FLUSH_S)
        await step()
