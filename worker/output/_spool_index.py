"""Single answers of a spool that still grows, found by their rows."""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterable
from pathlib import Path

import orjson

from worker.model import Outcome
from worker.output.spool import answered, blocks_of, unless_lost


class SpoolIndex:
    """Finds single answers in a spool that still grows. 24 bytes a row, once one is asked for."""

    def __init__(self, path: Path, rows_max: int) -> None:
        self._path = path
        self._rows_max = rows_max  # rows from here on cannot be asked for
        self._seen_bytes = 0
        # Of each row: offset of its entry, bytes and CRC-32 of that, offset of its body.
        self._places = array("Q")

    def outcomes(self, rows: Iterable[int]) -> dict[int, Outcome]:
        """Return the outcomes of `rows`, each of which was answered and appended.

        Raises OSError when the disk has lost one: the next start then asks for it again.
        """
        found = {}
        with self._path.open("rb", buffering=0) as raw:
            file = raw.fileno()
            self._look_at_what_is_new(file)
            for row in rows:
                found[row] = unless_lost(self._outcome(file, row), self._path)
        return found

    def _outcome(self, file: int, row: int) -> Outcome | None:
        place = self._places[3 * row : 3 * row + 3]
        if not any(place):  # its block is not there any more
            return None
        entry_offset, entry_key, body_offset = place
        text = os.pread(file, entry_key >> 32, entry_offset)
        if zlib.crc32(text) != entry_key & 0xFFFFFFFF:
            return None
        entry = orjson.loads(text)
        body = os.pread(file, entry[1], body_offset)
        return answered(entry, body) if zlib.crc32(body) == entry[2] else None

    def _look_at_what_is_new(self, file: int) -> None:
        for block in blocks_of(file, self._seen_bytes):
            entry_offset, body_offset = block.offset, block.bodies_offset
            for line in block.lines(file):
                row, body_bytes = orjson.loads(line)[:2]
                if row < self._rows_max:
                    if (missing := row + 1 - len(self._places) // 3) > 0:
                        self._places.frombytes(bytes(3 * self._places.itemsize * missing))
                    entry_key = len(line) << 32 | zlib.crc32(line)
                    place = array("Q", (entry_offset, entry_key, body_offset))
                    self._places[3 * row : 3 * row + 3] = place
                entry_offset += len(line) + 1
                body_offset += body_bytes
            self._seen_bytes = block.end
