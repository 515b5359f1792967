"""Batches -> open rows with their requests, a few at a time, just before they are sent.

Requests are built in the event loop: a few take a fraction of a millisecond, and a thread that
makes Python objects beside the loop costs both of them more than that.
"""

from __future__ import annotations

import time
from collections import deque

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from worker.call.lane import Lane, PutOff
from worker.codec.digests import NO_REQUEST, request_digest
from worker.codec.duplicates import FirstRows
from worker.codec.requests import RequestBuilder
from worker.model import DIGEST_BYTES, Batch, Failure, Outcome
from worker.pipeline._memory import MemoryBound
from worker.runtime.memory_budget import READY_BYTES_MAX
from worker.telemetry.tally import Tally

# What is built at once: of short rows so many, of long ones (lists of items) so many bytes. With
# four times as many, calls were seen to leave late whose turn had come.
_SLICE_ROWS_MAX = 16
_SLICE_BYTES = 4 << 10
_KEPT_SLICES = 16  # of rows that are all kept: there are hundreds of thousands to get past

# A batch, a row's position in it, its request, and what came of it if it was put off.
OpenRow = tuple[Batch, int, bytes, PutOff | None]


class Dispatcher:
    """Builds the requests of one batch after the other, and hands the open rows to the callers.

    A row that needs no call ends here: a row that cannot be sent with its Failure, the second row
    of identical requests as a duplicate of the first, a row that an earlier invocation had answered
    as kept. A batch without open rows is done, and goes to the drain.
    """

    def __init__(
        self,
        builder: RequestBuilder,
        todo: MemoryObjectReceiveStream[Batch],
        done: MemoryObjectSendStream[Batch],
        memory: MemoryBound,
        tally: Tally,
        lane: Lane,
        *,
        deduplicate: bool,
    ) -> None:
        self._builder = builder
        self._todo = todo
        self._done = done
        self._memory = memory
        self._tally = tally
        self._deduplicate = deduplicate
        self._lane = lane
        self._first_rows: FirstRows | None = None  # of the chunk
        self._chunk_rows = self._chunk_calls = 0
        self._one_at_a_time = anyio.Lock()
        self._batch: Batch | None = None  # until all of it is built
        self._next_row = 0
        self._slice_rows = 1
        self._ready = deque[OpenRow]()  # of one batch, but after `_take_last`
        self._ready_bytes = 0  # of their requests
        self._put_off = deque[OpenRow]()

    def take_now(self, *, others_first: bool = False) -> OpenRow | None:
        """Return the next open row, or None when `take` must wait.

        Rows that were put off come first. With `others_first` they come last, and the next row is
        the farthest of those that are ready: rows that fail may follow each other. So many rows are
        made ready then as READY_BYTES_MAX have room for.
        """
        if others_first:
            return self._take_last() or self._take_put_off()
        if self._put_off:
            return self._take_put_off()
        ready = self._ready
        if not ready and (batch := self._batch or self._begin_next()):
            self._build_some(batch)
        if not ready or not self._memory.may_call(ready[0][0]):
            return None
        return self._handed_out(ready.popleft())

    def put_off(self, batch: Batch, row: int, request: bytes, before: PutOff) -> None:
        """Have a row wait until others have had their turn. The caller then takes the next row."""
        self._memory.forget_call()
        self._put_off.append((batch, row, request, before))

    async def take(self) -> OpenRow | None:
        """Return the next open row, as soon as there is one, or None after the last row."""
        while not (taken := self.take_now()):
            if self._put_off:  # in no line: who is first there may wait for others to end
                await self._memory.wait_until_open()
                continue
            async with self._one_at_a_time:
                if self._ready:
                    await self._memory.wait_to_call(self._ready[0][0])
                elif self._batch is None:  # else some of it is to be built; others had their turn
                    try:
                        self._begin(await self._todo.receive())
                    except anyio.EndOfStream:
                        return None
        return taken

    def _take_last(self) -> OpenRow | None:
        while self._ready_bytes < READY_BYTES_MAX and (batch := self._batch or self._begin_next()):
            self._build_some(batch)
        if not self._ready or not self._memory.may_call(self._ready[-1][0]):
            return None
        return self._handed_out(self._ready.pop())

    def _handed_out(self, taken: OpenRow) -> OpenRow:
        self._memory.count_call()
        self._ready_bytes -= len(taken[2])
        return taken

    def _take_put_off(self) -> OpenRow | None:
        if not self._put_off or not self._memory.is_open:
            return None
        self._memory.count_call()  # there was room in bytes for it before
        return self._put_off.popleft()

    def _begin_next(self) -> Batch | None:
        if self._one_at_a_time.locked():  # by a caller that may be about to begin with another
            return None
        try:
            return self._begin(self._todo.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            return None

    def _begin(self, batch: Batch) -> Batch:
        self._batch, self._next_row = batch, 0
        if batch.first_row == 0:
            self._chunk_rows = self._chunk_calls = 0
            self._first_rows = FirstRows(batch.chunk.rows) if self._deduplicate else None
        row_bytes = batch.rows.nbytes // max(1, batch.rows.num_rows)
        self._slice_rows = max(1, min(_SLICE_ROWS_MAX, _SLICE_BYTES // max(1, row_bytes)))
        return batch

    def _build_some(self, batch: Batch) -> None:
        first, before = self._next_row, len(self._ready)
        size = _KEPT_SLICES * self._slice_rows
        if 0 in batch.kept[first : first + size]:
            size = self._slice_rows
        rows = batch.rows.slice(first, size)
        self._next_row += rows.num_rows
        for row, request in enumerate(self._builder.build(rows), first):
            self._enter(batch, row, request)
        self._chunk_rows += rows.num_rows
        self._chunk_calls += len(self._ready) - before
        if self._next_row == batch.rows.num_rows:
            self._end(batch)

    def _enter(self, batch: Batch, row: int, request: bytes | Failure) -> None:
        """Make a row ready, or give it what it ends with."""
        if isinstance(request, Failure):
            batch.digests += NO_REQUEST
            batch.settle(row, outcome := _unsent(request))
            self._tally.count_row(outcome)
            return
        batch.digests += (digest := request_digest(request))
        own = first = batch.first_row + row
        if self._first_rows is not None:
            first = self._first_rows.find(digest, own)
        is_kept = batch.kept[row] and batch.kept_digests.startswith(digest, DIGEST_BYTES * row)
        if first == own and not is_kept:
            self._ready.append((batch, row, request, None))
            self._ready_bytes += len(request)
            return
        batch.settle_unread()
        if is_kept:
            self._tally.count_kept(1)
            self._lane.offer_witness(request)
        else:
            batch.duplicates[row] = first

    def _end(self, batch: Batch) -> None:
        """Go on to the next batch; its last rows, at least, were open until now."""
        self._batch = None
        if batch.is_last:
            needless = self._chunk_rows - self._chunk_calls
            self._tally.expect(batch.chunk, rows=self._chunk_rows, needless=needless)
        if batch.is_done:
            self._done.send_nowait(batch)


def _unsent(failure: Failure) -> Outcome:
    now_us = time.time_ns() // 1_000
    return Outcome(result=failure, attempts=0, throttles=0, sent_us=now_us, latency_ms=0.0)
