"""The input's rows, read ahead as far as there is memory, and cut into batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from itertools import count
from typing import Self

import pyarrow as pa
from anyio import to_thread
from anyio.streams.memory import MemoryObjectSendStream

from worker.errors import StoppedError
from worker.input.sizes import cut, rows_bytes
from worker.job import Job
from worker.model import DIGEST_BYTES, Batch, Chunk
from worker.output.spool import Spool
from worker.output.spool_format import Mark
from worker.pipeline._memory import MemoryBound
from worker.pipeline.handout import Handed, HandOut
from worker.runtime.memory_budget import BATCH_BYTES_MAX
from worker.runtime.stop import StopSwitch
from worker.store.base import Store

_ROW_BYTES = 8 + DIGEST_BYTES  # its place in a list; what its request is known by


async def feed(
    job: Job,
    handout: HandOut,
    store: Store,
    todo: MemoryObjectSendStream[Batch],
    memory: MemoryBound,
    switch: StopSwitch,
) -> None:
    """Read the Chunks that are handed out, ahead as far as there is memory, until a stop."""
    async with todo:
        with ChunkReader(job, store) as reader, memory.being_read_for(), suppress(StoppedError):
            await switch.wait(_read_ahead(reader, handout, todo, memory))


async def _read_ahead(
    reader: ChunkReader, handout: HandOut, todo: MemoryObjectSendStream[Batch], memory: MemoryBound
) -> None:
    await memory.wait_to_read()
    while handed := await handout.next():
        with closing(reader.read(handed)) as reads:
            is_whole = False
            while not is_whole:
                for batch in await to_thread.run_sync(next, reads):
                    memory.enter(batch)
                    todo.send_nowait(batch)
                    is_whole = batch.is_last
                await memory.wait_to_read()


class ChunkReader:
    """Reads Chunks, and cuts them into batches. To be used by one thread at a time."""

    def __init__(self, job: Job, store: Store) -> None:
        self._job = job
        self._store = store
        self._rows = job.reader(batches=job.batches_per_read)
        self._numbers = count()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()

    def read(self, handed: Handed) -> Generator[list[Batch]]:
        """Yield a Chunk's rows as batches, some at a time; without rows, an empty one. Blocking."""
        job, store, chunk = self._job, self._store, handed.chunk
        with store.errors_as_advice():
            file, mark = store.spool(job.run_id, chunk.part_name), Mark.of(job.run_id, chunk)
            spool = Spool(file, mark)
        first_row = 0
        reads = self._rows.read(chunk)
        rows = next(reads, None)
        while True:
            following = next(reads, None)
            if rows is None:
                rows = job.no_rows()
            with store.errors_as_advice():
                kept, digests = spool.kept(first_row, rows.num_rows)
            batches = [
                _batch(
                    chunk,
                    next(self._numbers),
                    first_row + begin,
                    rows.slice(begin, end - begin),
                    kept[begin:end],
                    digests[DIGEST_BYTES * begin : DIGEST_BYTES * end],
                )
                for begin, end in _cuts(rows, job.batch_rows)
            ]
            batches[-1].is_last = following is None
            batches[-1].is_of_last_chunk = handed.is_last
            yield batches
            if following is None:
                return
            first_row += rows.num_rows
            rows = following


def _cuts(rows: pa.RecordBatch, batch_rows: int) -> Iterator[tuple[int, int]]:
    """Yield where batches begin and end: at `batch_rows` rows, or at BATCH_BYTES_MAX of rows."""
    if rows.num_rows == 0:
        yield 0, 0
    for begin in range(0, rows.num_rows, batch_rows):
        some = rows.slice(begin, batch_rows)
        if some.nbytes <= BATCH_BYTES_MAX:
            yield begin, begin + some.num_rows
        else:
            for first, end in cut(rows_bytes(some), BATCH_BYTES_MAX):
                yield begin + first, begin + end


def _batch(
    chunk: Chunk,
    sequence: int,
    first_row: int,
    rows: pa.RecordBatch,
    kept: bytearray,
    kept_digests: bytearray,
) -> Batch:
    return Batch(
        chunk=chunk,
        sequence=sequence,
        first_row=first_row,
        is_last=False,
        rows=rows,
        outcomes=[None] * rows.num_rows,
        open_rows=rows.num_rows,
        held_bytes=rows.nbytes + _ROW_BYTES * rows.num_rows + len(kept_digests),
        kept=kept,
        kept_digests=kept_digests,
    )
