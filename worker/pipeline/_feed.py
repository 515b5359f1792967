"""The input's rows, read ahead as far as there is room, and cut into batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from itertools import count

import pyarrow as pa
from anyio import to_thread
from anyio.streams.memory import MemoryObjectSendStream

from worker.errors import StoppedError
from worker.input.reader import RowReader
from worker.input.sizes import cut, rows_bytes
from worker.job import Job
from worker.model import DIGEST_BYTES, Batch, Chunk
from worker.output.spool import Spool
from worker.output.spool_format import Mark
from worker.pipeline._memory import Room
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore

BATCH_BYTES_MAX = 8 << 20
"""Of rows; what one row comes to is a batch of its own."""
_ROW_BYTES = 8 + DIGEST_BYTES  # its place in a list; what its request is known by


async def feed(
    reads: Generator[list[Batch]],
    todo: MemoryObjectSendStream[Batch],
    room: Room,
    switch: StopSwitch,
) -> None:
    """Read ahead, as far as there is room; a thrown switch ends it."""
    async with todo:
        with closing(reads), suppress(StoppedError):
            await switch.wait(_read_ahead(reads, todo, room))


async def _read_ahead(
    reads: Generator[list[Batch]], todo: MemoryObjectSendStream[Batch], room: Room
) -> None:
    with room.being_read_for():
        while True:
            await room.wait_to_read()
            batches = await to_thread.run_sync(next, reads, None)
            if batches is None:
                return
            for batch in batches:
                room.enter(batch)
                todo.send_nowait(batch)


def reads(job: Job, chunks: Sequence[Chunk], store: LocalStore) -> Generator[list[Batch]]:
    """Yield the chunks' rows as batches, some at a time; of a chunk without rows an empty one."""
    numbers = count()
    with job.reader(batches=job.batches_per_read) as reader:
        for chunk in chunks:
            yield from _chunk_reads(job, reader, chunk, store, numbers)


def _chunk_reads(
    job: Job, reader: RowReader, chunk: Chunk, store: LocalStore, numbers: Iterator[int]
) -> Iterator[list[Batch]]:
    with store.errors_as_advice():
        path, mark = store.spool_path(job.run_id, chunk.part_name), Mark.of(job.run_id, chunk)
        spool = Spool(path, mark)
    first_row = 0
    reads = reader.read(chunk)
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
                next(numbers),
                first_row + begin,
                rows.slice(begin, end - begin),
                kept[begin:end],
                digests[DIGEST_BYTES * begin : DIGEST_BYTES * end],
            )
            for begin, end in _cuts(rows, job.batch_rows)
        ]
        batches[-1].last = following is None
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
        last=False,
        rows=rows,
        outcomes=[None] * rows.num_rows,
        open_rows=rows.num_rows,
        held_bytes=rows.nbytes + _ROW_BYTES * rows.num_rows + len(kept_digests),
        kept=kept,
        kept_digests=kept_digests,
    )
