"""Identical requests of a chunk: which row makes one first. Pure."""

from __future__ import annotations

from array import array

from worker.model import DIGEST_BYTES

# Later rows of a chunk are compared with so many first ones, and not with one another.
COMPARED_ROWS_MAX = 1 << 20


class FirstRows:
    """Knows which row of a chunk made a request first, in 24 to 32 bytes a row."""

    def __init__(self, rows: int) -> None:
        """Make room for the chunk's `rows`, before `where`."""
        rows = min(rows, COMPARED_ROWS_MAX)
        self._digests = bytearray(DIGEST_BYTES * rows)  # by row
        # A hash table with open addressing, at most half full: rows from 1; 0: free.
        self._table = array("I", [0]) * (1 << (2 * rows - 1).bit_length())
        self._mask = len(self._table) - 1

    def find(self, digest: bytes, row: int) -> int:
        """Return the row that made a request of this digest first, or else `row`.

        Ask in the order of rows.
        """
        table, slot = self._table, hash(digest) & self._mask
        while first := table[slot]:
            if self._digests.startswith(digest, DIGEST_BYTES * (first - 1)):
                return first - 1
            slot = (slot + 1) & self._mask
        if row < COMPARED_ROWS_MAX:
            self._digests[DIGEST_BYTES * row : DIGEST_BYTES * (row + 1)] = digest
            table[slot] = row + 1
        return row
