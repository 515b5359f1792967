"""Identical requests of a chunk: the row that makes one first is asked, the others get its outcome.

Batches are written in order, and a duplicate comes after the row that it repeats. So it waits for
nobody: no lane is handed it, and when its batch is written that row's outcome is in the same batch,
or was written before and is in the chunk's spool.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.codec.duplicates import COMPARED_ROWS_MAX
from worker.model import Batch, Failure, Outcome
from worker.output._spool_index import SpoolIndex
from worker.output.spool_format import Mark
from worker.store.base import SpoolFile


class Repeater:
    """Gives a chunk's duplicates the outcomes of the rows that they repeat. Blocking."""

    def __init__(self, spool: SpoolFile, mark: Mark) -> None:
        self._spool = SpoolIndex(spool, mark, rows_max=COMPARED_ROWS_MAX)
        self._failed: dict[int, Outcome] = {}  # by row of the chunk; a spool has only answers

    def repeat(self, batch: Batch) -> None:
        """Give the batch's duplicates their outcomes, with no attempts of their own.

        Takes all batches of the chunk in order, each when the calls for it and those before are
        done, and the answers of those before are in the spool.
        """
        firsts = {first: batch.digest(row) for row, first in batch.duplicates.items()}
        done = {first: self._failed[first] for first in firsts.keys() & self._failed.keys()}
        for row, outcome in enumerate(batch.outcomes, batch.first_row):
            if outcome is not None and row in firsts:
                done[row] = outcome
            if outcome is not None and outcome.attempts and isinstance(outcome.result, Failure):
                self._failed[row] = outcome
        if written := {first: firsts[first] for first in firsts.keys() - done.keys()}:
            done |= self._spool.outcomes(written)
        for row, first in batch.duplicates.items():
            batch.outcomes[row] = done[first]._replace(attempts=0, throttles=0)

    def sizes(self, batch: Batch, sizes: Sequence[int]) -> dict[int, int]:
        """Return the bytes of the answers that the batch's duplicates repeat, by position.

        `sizes` are those of its own answers. To be asked before `repeat`.
        """
        elsewhere = {
            first: batch.digest(row)
            for row, first in batch.duplicates.items()
            if first < batch.first_row and first not in self._failed
        }
        found = self._spool.sizes(elsewhere) if elsewhere else {}
        return {
            row: found.get(first, 0) if first < batch.first_row else sizes[first - batch.first_row]
            for row, first in batch.duplicates.items()
        }
