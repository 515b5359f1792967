"""How much may be in memory between reading and writing: in rows, and in bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from worker.model import Batch

HELD_BYTES_MAX = 32 << 20


class Room:
    """Bounds what is read but not written yet, in rows and in bytes.

    Reading ends at half of the bytes, so that there is room for the answers to what was read.
    The oldest batch is let through in any case: all others wait for it. Kept rows count in bytes
    only: what is behind them is called while they are still being written.
    """

    def __init__(self, rows_max: int) -> None:
        self._rows_max = rows_max
        self._rows = 0
        self._bytes = 0
        self._batches_left = 0
        self._is_open = True
        self._is_passing = False  # the reader has met hardly any but kept rows of late
        self._changed = anyio.Event()

    async def wait_to_read(self) -> None:
        """Return when another batch may be read."""
        while self._rows and (self._rows >= self._rows_max or self._bytes >= HELD_BYTES_MAX // 2):
            self._end_passing()
            await self._wait()

    def may_call(self, batch: Batch) -> bool:
        """Return whether there is room for another answer."""
        return self._is_open and (
            self._bytes < HELD_BYTES_MAX or batch.sequence <= self._batches_left
        )

    async def wait_to_call(self, batch: Batch) -> None:
        """Return when there is room for another answer."""
        while not self.may_call(batch):
            await self._wait()

    def close(self) -> None:
        """Let no call begin until `open`."""
        self._is_open = False

    def open(self) -> None:
        """Let calls begin again."""
        self._is_open = True
        self._changed.set()

    def enter(self, batch: Batch) -> None:
        """Count a batch that was read. One without rows counts as one."""
        self._rows += _rows(batch)
        self._bytes += batch.held_bytes
        self._is_passing = 2 * batch.kept.count(1) > batch.rows.num_rows
        if not self._is_passing:
            self._changed.set()

    async def wait_to_write(self) -> None:
        """Return when the reader is not on its way past kept rows to the first call: that first."""
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
            self._changed.set()

    def hold(self, batch: Batch, answer_bytes: int) -> None:
        """Count an answer."""
        batch.held_bytes += answer_bytes
        self._bytes += answer_bytes

    def leave(self, batch: Batch) -> None:
        """Count a batch that was written; batches leave in their order."""
        self._rows -= _rows(batch)
        self._bytes -= batch.held_bytes
        self._batches_left += 1
        self._changed.set()

    async def _wait(self) -> None:
        if self._changed.is_set():
            self._changed = anyio.Event()
        await self._changed.wait()


def _rows(batch: Batch) -> int:
    return max(1, batch.rows.num_rows - batch.kept.count(1))
