"""Batches made whole for their part, a piece at a time: what of them is on disk alone is read.

That is what was answered before this invocation, what had no room in memory until now, and the
answers that duplicates repeat.
"""

from __future__ import annotations

from collections.abc import Iterator

from worker.model import Batch
from worker.output.pieces import held_sizes, pieces
from worker.output.repeat import Repeater
from worker.output.spool import Spool
from worker.output.spool_format import Mark
from worker.runtime.memory_budget import PIECE_BYTES
from worker.store.base import SpoolFile, Store


class Recall:
    """Takes a chunk's batches in order, each when the calls for it are done. Blocking."""

    def __init__(self, store: Store, spool: SpoolFile, mark: Mark) -> None:
        self._store = store
        self._spool_file = spool
        self._mark = mark
        self._spool: Spool | None = None  # once a batch needs it
        self._repeater = Repeater(spool, mark)
        self._largest_bytes = 0  # of all answers of the chunk

    def pieces(self, batch: Batch) -> Iterator[Batch]:
        """Yield the batch with all outcomes: PIECE_BYTES of answers at a time, or one answer.

        The answers of the batches before are in the spool. Raises OutputError when the disk has
        lost one.
        """
        with self._store.errors_as_advice():
            if batch.spooled or 1 in batch.kept:
                self._spool = self._spool or Spool(self._spool_file, self._mark)
                if batch.spooled:
                    self._spool.look_again()
            sizes = self._sizes(batch)
        for piece in pieces(batch, sizes):
            with self._store.errors_as_advice():
                if self._spool is not None:
                    self._spool.recall(piece)
                self._repeater.repeat(piece)
            yield piece

    def _sizes(self, batch: Batch) -> list[int]:
        """Return the bytes of each row's answer, wherever it is; bounds where that is enough."""
        sizes = held_sizes(batch)
        for row, size in batch.spooled.items():
            sizes[row] = size
        if self._spool is not None and 1 in batch.kept:
            for row, size in self._spool.sizes(batch.first_row, len(sizes)).items():
                if batch.is_kept(row - batch.first_row):
                    sizes[row - batch.first_row] = size
        self._largest_bytes = max(self._largest_bytes, max(sizes, default=0))
        if sum(sizes) + self._largest_bytes * len(batch.duplicates) > PIECE_BYTES:
            for row, size in self._repeater.sizes(batch, sizes).items():
                sizes[row] = size
        return sizes
