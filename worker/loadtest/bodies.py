"""Request bodies without end, from the rows of [input]: cycled in order, or sampled with a seed.

Rows that cannot be sent are left out; `plan` counts them.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import pyarrow as pa
from anyio import to_thread

from worker.errors import InputError
from worker.job import Job
from worker.runtime.memory_budget import KEPT_USERS_BYTES_MAX, SAMPLE_BYTES_MAX

SAMPLE_ROWS: Final = 100_000
_BLOCK_ROWS: Final = 2048
_BLOCKS_AHEAD: Final = 2


class Body(NamedTuple):
    """A request, and which row it is of: its number among those that `where` selects."""

    row: int
    content: bytes


Block = list[Body]


def cycled(job: Job, *, kept_bytes_max: int = KEPT_USERS_BYTES_MAX) -> Iterator[Block]:
    """Yield the rows that can be sent, in order, from the first one again after the last.

    Raises InputError when there is none.
    """
    kept: list[Block] = []
    kept_bytes = 0
    for block in _built(job):
        if kept_bytes <= kept_bytes_max:
            kept.append(block)
            kept_bytes += sum(len(body.content) for body in block)
        yield block
    while kept_bytes <= kept_bytes_max:
        yield from kept
    kept.clear()
    while True:
        yield from _built(job)


def sampled(job: Job, *, seed: int, rows: int = SAMPLE_ROWS) -> Iterator[Block]:
    """Yield rows by chance, each as likely as any other, again and again.

    Of an input with more than `rows` rows, or than come to SAMPLE_BYTES_MAX, so many are chosen
    first. The same input and seed give the same sequence. Raises InputError when no row can be
    sent.
    """
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    # The rows with the largest of random keys are a uniform sample, found in one pass.
    chosen: list[tuple[float, Body]] = []
    read = held = 0
    for batch in _batches(job):
        bound = chosen[0][0] if len(chosen) == rows else 0.0
        keyed = enumerate([rng.random() for _ in range(batch.num_rows)])
        keys = {position: key for position, key in keyed if key >= bound}
        made = job.builder.build(batch.take(pa.array(keys, pa.int64())))
        for (position, key), body in zip(keys.items(), made, strict=True):
            if isinstance(body, bytes):
                entry = key, Body(read + position, body)
                heapq.heappush(chosen, entry)
                held += len(body)
                while len(chosen) > rows or (held > SAMPLE_BYTES_MAX and len(chosen) > 1):
                    held -= len(heapq.heappop(chosen)[1].content)
                    rows = min(rows, len(chosen))
        read += batch.num_rows
    if not chosen:
        raise _nothing_to_send(read)
    sample = [body for _, body in sorted(chosen)]
    while True:
        yield rng.choices(sample, k=_BLOCK_ROWS)


def _built(job: Job) -> Iterator[Block]:
    """Yield a block for each batch of rows; those that cannot be sent are left out."""
    read = left_out = 0
    for batch in _batches(job):
        made = job.builder.build(batch)
        block = [Body(read + n, body) for n, body in enumerate(made) if isinstance(body, bytes)]
        read += len(made)
        left_out += len(made) - len(block)
        if block:
            yield block
    if read == left_out:
        raise _nothing_to_send(read)


def _batches(job: Job) -> Iterator[pa.RecordBatch]:
    with job.reader() as reader:
        for chunk in job.source.chunks:
            yield from reader.read(chunk)


def _nothing_to_send(rows: int) -> InputError:
    return InputError(
        f"the input has no row that can be sent ({rows} were looked at)",
        hint="see what `plan` says of them, and input.where",
    )


class Users:
    """Hands out bodies in the event loop, and has further ones made in a thread."""

    def __init__(self, blocks: Iterator[Block]) -> None:
        self._blocks = blocks
        self._made = asyncio.Queue[Block](_BLOCKS_AHEAD)
        self._block: Iterator[Body] = iter(())

    async def run(self) -> None:
        """Make blocks ahead until it is cancelled; errors of the input leave from here."""
        while True:
            await self._made.put(await to_thread.run_sync(next, self._blocks))

    async def ready(self) -> None:
        """Return when the first block is there."""
        self._block = iter(await self._made.get())

    def take_now(self) -> Body | None:
        """Return the next body; None when `take` must wait for it."""
        body = next(self._block, None)
        if body is None:
            try:
                self._block = iter(self._made.get_nowait())
            except asyncio.QueueEmpty:
                return None
            body = next(self._block)
        return body

    async def take(self) -> Body:
        """Return the next body, however long it takes."""
        while (body := self.take_now()) is None:
            block = await self._made.get()
            self._block = iter([*self._block, *block])
        return body
