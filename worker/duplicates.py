"""Identical requests of a chunk: the row that makes one first is asked, the others get its outcome.

Batches are written in order, and a duplicate comes after the row that it repeats. So it waits for
nobody: no lane is handed it, and when its batch is written that row's outcome is in the same batch,
or was written before and is in the chunk's spool.
"""

from array import array
from hashlib import blake2b
from pathlib import Path

from worker.model import Batch, Failure, Outcome
from worker.spool import SpoolIndex

# Later rows of a chunk are compared with so many first ones, and not with one another.
COMPARED_ROWS_MAX = 1 << 20
_DIGEST_BYTES = 16  # two of 2^20 requests would be taken for one by a chance below 1 in 10^26


class FirstRows:
    """Knows which row of a chunk made a request first, in 24 to 32 bytes a row."""

    def __init__(self, rows: int) -> None:
        """Make room for the chunk's `rows`, before `where`."""
        rows = min(rows, COMPARED_ROWS_MAX)
        self._digests = bytearray(_DIGEST_BYTES * rows)  # by row
        # A hash table with open addressing, at most half full: rows from 1; 0: free.
        self._table = array("I", [0]) * (1 << (2 * rows - 1).bit_length())
        self._mask = len(self._table) - 1

    def find(self, request: bytes, row: int) -> int:
        """Return the row that made `request` first, or else `row`. Ask in the order of rows."""
        digest = blake2b(request, digest_size=_DIGEST_BYTES).digest()
        table, slot = self._table, hash(digest) & self._mask
        while first := table[slot]:
            if self._digests.startswith(digest, _DIGEST_BYTES * (first - 1)):
                return first - 1
            slot = (slot + 1) & self._mask
        if row < COMPARED_ROWS_MAX:
            self._digests[_DIGEST_BYTES * row : _DIGEST_BYTES * (row + 1)] = digest
            table[slot] = row + 1
        return row


class Repeater:
    """Gives a chunk's duplicates the outcomes of the rows that they repeat. Blocking."""

    def __init__(self, spool_path: Path) -> None:
        self._spool = SpoolIndex(spool_path, rows_max=COMPARED_ROWS_MAX)
        self._failed: dict[int, Outcome] = {}  # by row of the chunk; a spool has only answers

    def repeat(self, batch: Batch) -> None:
        """Give the batch's duplicates their outcomes, with no attempts of their own.

        Takes all batches of the chunk in order, each when the calls for it and those before are
        done, and the answers of those before are in the spool.
        """
        firsts = {*batch.duplicates.values()}
        done = {first: self._failed[first] for first in firsts & self._failed.keys()}
        for row, outcome in enumerate(batch.outcomes, batch.first_row):
            if outcome is not None and row in firsts:
                done[row] = outcome
            if outcome is not None and outcome.attempts and isinstance(outcome.result, Failure):
                self._failed[row] = outcome
        if written := firsts - done.keys():
            done |= self._spool.outcomes(sorted(written))
        for row, first in batch.duplicates.items():
            batch.outcomes[row] = done[first]._replace(attempts=0, throttles=0)
