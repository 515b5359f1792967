"""Single answers of a spool that still grows, found by their rows."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Mapping

import orjson

from worker.model import Outcome
from worker.output.spool import unless_lost
from worker.output.spool_format import Entry, Mark, answered, blocks_of
from worker.store.base import Ranges, SpoolFile


class SpoolIndex:
    """Finds single answers in a spool that still grows. 24 bytes a row, once one is asked for."""

    def __init__(self, file: SpoolFile, mark: Mark, rows_max: int) -> None:
        self._file = file
        self._mark = mark
        self._rows_max = rows_max  # rows from here on cannot be asked for
        self._seen_bytes = 0
        # Of each row: offset of its entry, bytes and CRC-32 of that, offset of its body.
        self._places = array("Q")

    def outcomes(self, digests: Mapping[int, bytes]) -> dict[int, Outcome]:
        """Return the outcomes of rows, given with what they ask; each was answered and appended.

        Raises OSError when the disk has lost one: the next start then asks for it again.
        """
        found = {}
        with self._file.open_ranges() as file:
            if file is not None:
                self._read_new_blocks(file)
            for row, digest in sorted(digests.items()):
                outcome = self._outcome(file, row, digest) if file is not None else None
                found[row] = unless_lost(outcome, self._file)
        return found

    def sizes(self, rows: Iterable[int]) -> dict[int, int]:
        """Return the bytes of the answers of rows, as far as these are there."""
        with self._file.open_ranges() as file:
            if file is None:
                return {}
            self._read_new_blocks(file)
            entries = {row: self._entry(file, row) for row in rows}
        return {row: found[0][2] for row, found in entries.items() if found}

    def _entry(self, file: Ranges, row: int) -> tuple[Entry, int] | None:
        """Return the row's entry, and where its body begins; None when the disk has lost it."""
        place = self._places[3 * row : 3 * row + 3]
        if not any(place):  # its block is not there any more
            return None
        entry_offset, entry_key, body_offset = place
        text = file.read_at(entry_key >> 32, entry_offset)
        if zlib.crc32(text) != entry_key & 0xFFFFFFFF:
            return None
        return orjson.loads(text), body_offset

    def _outcome(self, file: Ranges, row: int, digest: bytes) -> Outcome | None:
        if (found := self._entry(file, row)) is None:
            return None
        entry, body_offset = found
        body = file.read_at(entry[2], body_offset)
        is_sound = entry[1] == digest.hex() and zlib.crc32(body) == entry[3]
        return answered(entry, body) if is_sound else None

    def _read_new_blocks(self, file: Ranges) -> None:
        for block in blocks_of(file, self._seen_bytes):
            entry_offset, body_offset = block.offset, block.bodies_offset
            for line in block.lines(file) if block.is_for(self._mark) else ():
                row, _, body_bytes = orjson.loads(line)[:3]
                if row < self._rows_max:
                    if (missing := row + 1 - len(self._places) // 3) > 0:
                        self._places.frombytes(bytes(3 * self._places.itemsize * missing))
                    entry_key = len(line) << 32 | zlib.crc32(line)
                    place = array("Q", (entry_offset, entry_key, body_offset))
                    self._places[3 * row : 3 * row + 3] = place
                entry_offset += len(line) + 1
                body_offset += body_bytes
            self._seen_bytes = block.end
