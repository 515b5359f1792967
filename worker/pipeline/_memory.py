"""How much may be in memory between reading and writing: in rows, and in bytes.

The bounds in bytes are those of `worker.runtime.memory_budget`, which has all of them as one table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from worker.model import Batch
from worker.runtime.memory_budget import HELD_BYTES_MAX, INTAKE_BYTES_MAX, SPOOLED_FROM_BYTES
from worker.transport.intake import Intake

_FORGOTTEN = 32  # answers after which most of a larger one before them is forgotten


class MemoryBound:
    """Holds reading, calling and writing back, so that what is in memory stays within its bounds.

    It counts rows from reading to writing, in rows and in bytes, and answers in bytes.

    - Reading waits at half of HELD_BYTES_MAX: there has to be room for the answers.
    - Calling waits at all of HELD_BYTES_MAX, but for rows of the oldest batch: the others wait for
      that one to be written. The number of calls on their way is bounded by the size that answers
      had so far (`answer_bytes` at first). Between `close` and `open`, while a disk is late, no
      call begins.
    - While answers in memory come to SPOOLED_FROM_BYTES, further ones stay in the spool alone, and
      the transport's Intake is shut.
    - Writing waits (`wait_to_write`) while the reader passes rows that are kept: the first call
      comes first. Kept rows count in bytes, not as rows.
    """

    def __init__(
        self, rows_max: int, *, answer_bytes: int = 0, intake: Intake | None = None
    ) -> None:
        self._rows_max = rows_max
        self._rows = 0
        self._bytes = 0
        self._whole_bytes = 0  # of these, answers
        self._batches_left = 0
        self._calls = 0
        self._answer_bytes = float(answer_bytes)
        self._intake = intake or Intake()
        self.is_open = True  # calls may begin
        self._is_passing = False  # the reader has met hardly any but kept rows of late
        self._changed: anyio.Event | None = None  # None: nobody waits

    async def wait_to_read(self) -> None:
        """Return when another batch may be read."""
        while self._rows and (self._rows >= self._rows_max or self._bytes >= HELD_BYTES_MAX // 2):
            self._end_passing()
            await self._wait()

    def may_call(self, batch: Batch) -> bool:
        """Return whether there is room for another answer."""
        if not self.is_open:
            return False
        on_their_way = (self._calls + 1) * self._answer_bytes
        return (self._calls == 0 or on_their_way <= INTAKE_BYTES_MAX) and (
            self._bytes < HELD_BYTES_MAX or batch.sequence <= self._batches_left
        )

    def count_call(self) -> None:
        """Count a call that begins; `hold` or `forget_call` is to follow."""
        self._calls += 1

    async def wait_until_open(self) -> None:
        """Return when calls may begin: at once, but after `close`."""
        while not self.is_open:
            await self._wait()

    def forget_call(self) -> None:
        """Take back a `count_call`: the row is put off."""
        self._calls -= 1
        self._wake()

    async def wait_to_call(self, batch: Batch) -> None:
        """Return when there is room for another answer."""
        while not self.may_call(batch):
            await self._wait()

    def close(self) -> None:
        """Let no call begin until `open`."""
        self.is_open = False

    def open(self) -> None:
        """Let calls begin again."""
        self.is_open = True
        self._wake()

    def enter(self, batch: Batch) -> None:
        """Count a batch that was read. One without rows counts as one."""
        self._rows += _rows(batch)
        self._bytes += batch.held_bytes
        self._is_passing = 2 * batch.kept.count(1) > batch.rows.num_rows
        if not self._is_passing:
            self._wake()

    async def wait_to_write(self) -> None:
        """Return when the reader has passed the rows that are kept: calls come first."""
        while self._is_passing:
            await self._wait()

    @contextmanager
    def being_read_for(self) -> Iterator[None]:
        """Wrap the reader's life."""
        try:
            yield
        finally:
            self._end_passing()

    def _end_passing(self) -> None:
        if self._is_passing:
            self._is_passing = False
            self._wake()

    def hold(self, batch: Batch, answer_bytes: int) -> bool:
        """Count what a call ended with.

        False: the answer is to stay in the spool alone; `release` is to follow then.
        """
        self._hold(batch, answer_bytes)
        self._calls -= 1
        if answer_bytes > self._answer_bytes:
            self._answer_bytes = answer_bytes
        else:
            self._answer_bytes += (answer_bytes - self._answer_bytes) / _FORGOTTEN
        self._wake()
        if self._whole_bytes < SPOOLED_FROM_BYTES or not answer_bytes:
            return True
        self._intake.shut(is_shut=True)  # until `release`, which is to follow
        return False

    def release(self, batch: Batch, answer_bytes: int) -> None:
        """Take back what `hold` has counted: the answer is in the spool alone."""
        self._hold(batch, -answer_bytes)
        self._wake()

    def _hold(self, batch: Batch, size: int) -> None:
        batch.held_bytes += size
        batch.answers_bytes += size
        self._bytes += size
        self._whole_bytes += size
        if size < 0 and self._whole_bytes < SPOOLED_FROM_BYTES:
            self._intake.shut(is_shut=False)

    def leave(self, batch: Batch) -> None:
        """Count a batch that was written; batches leave in their order."""
        self._rows -= _rows(batch)
        self._hold(batch, -batch.answers_bytes)
        self._bytes -= batch.held_bytes
        self._batches_left += 1
        self._wake()

    def _wake(self) -> None:
        """Have those who wait look again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def _wait(self) -> None:
        self._changed = self._changed or anyio.Event()
        await self._changed.wait()


def _rows(batch: Batch) -> int:
    return max(1, batch.rows.num_rows - batch.kept.count(1))
