"""Answers that are paid for, kept on disk until their part is committed.

A part appears whole or not at all; without this a killed run would ask for all its rows again. Rows
are appended as they are done, in any order, in blocks of some dozens, every two seconds or sooner:
what a kill loses is what has not been written yet. Every head, every block's entries and every body
has its CRC-32, so of a file that a crash has torn or holed just what is whole is believed; the rest
is asked again.
The format is that of worker.output.spool_format.
"""

from __future__ import annotations

import errno
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import accumulate
from operator import itemgetter

import orjson

from worker.input.sizes import cut
from worker.model import DIGEST_BYTES, Batch, Outcome
from worker.output.spool_format import Block, Entry, Mark, Settled, answered, blocks_of, pack
from worker.runtime.memory_budget import SPOOL_READ_BYTES
from worker.store.base import Ranges, SpoolFile

_CACHED_ROWS = 20_000  # of entries, some 10 MB: rows that were answered late are in later blocks


class SpoolWriter:
    """Appends to one spool, behind the blocks that are there already. Blocking."""

    def __init__(self, file: SpoolFile) -> None:
        with file.open_ranges() as there:
            blocks = blocks_of(there) if there is not None else iter(())
            self._file = file.open_append(max((block.end for block in blocks), default=0))

    def append(self, blocks: Sequence[bytes]) -> None:
        """Write what `pack` returned, for one block or several; see GrowingFile.append."""
        self._file.append(blocks)

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()


def write_spool(file: SpoolFile, mark: Mark, blocks: Iterable[Sequence[Settled]]) -> None:
    """Write a chunk's spool, a block for each of `blocks`, as a run that was killed leaves it.

    For tests and benches. Raises OSError when the disk refuses.
    """
    writer = SpoolWriter(file)
    try:
        for rows in blocks:
            writer.append(pack(rows, mark))
    finally:
        writer.close()


# Where a body begins in the file, and its entry; of each row of a block.
_Place = tuple[int, Entry]
_Entries = dict[int, _Place]


class Spool:
    """Reads a chunk's spool: an index of its blocks now, their rows when they are asked for."""

    def __init__(self, file: SpoolFile, mark: Mark) -> None:
        self._file = file
        self._mark = mark
        self._blocks: list[Block] = []
        self._last_rows: list[int] = []
        self._seen_bytes = 0
        self._cache = OrderedDict[int, _Entries]()  # by the offset of their block
        self._cached_rows = 0
        self.look_again()

    def look_again(self) -> None:
        """Find the blocks that were appended since it looked last."""
        found: list[Block] = []
        with self._file.open_ranges() as file:
            if file is not None:
                found.extend(blocks_of(file, self._seen_bytes))
        if found:
            self._seen_bytes = found[-1].end
            self._blocks += [block for block in found if block.is_for(self._mark)]
            self._blocks.sort(key=lambda block: block.first_row)
            self._last_rows = [*accumulate((block.last_row for block in self._blocks), max)]

    def rows(self, first: int, count: int) -> dict[int, Outcome]:
        """Return the rows from `first` on that are answered, by position.

        Memory: their bodies, and the entries of a few blocks. Asked for in order, or nearly, the
        entries of every block are read once. What is damaged or removed since is left out.
        """
        return {entry[0]: answered(entry, bytes(body)) for entry, body in self._sound(first, count)}

    def kept(self, first: int, count: int) -> tuple[bytearray, bytearray]:
        """Return `count` bytes, 1 for each row from `first` on that `rows` would return, else 0.

        And the digests of their requests, one after the other; none when no row is kept.
        """
        mask, digests = bytearray(count), ["0" * 2 * DIGEST_BYTES] * count
        for entry, _ in self._sound(first, count):
            mask[entry[0] - first] = 1
            digests[entry[0] - first] = entry[1]
        return mask, bytearray.fromhex("".join(digests)) if 1 in mask else bytearray()

    def recall(self, batch: Batch) -> None:
        """Give the batch's rows whose answers are here alone their outcomes.

        Raises OSError when the disk has lost one.
        """
        first = batch.first_row
        wanted = {first + row for row in range(len(batch.kept)) if _is_here(batch, row)}
        found = {
            entry[0]: answered(entry, bytes(body))
            for entry, body in self._sound(first, len(batch.kept), wanted)
            if entry[1] == batch.digest(entry[0] - first).hex()
        }
        for row in sorted(wanted):
            batch.outcomes[row - first] = unless_lost(found.get(row), self._file)

    def sizes(self, first: int, count: int) -> dict[int, int]:
        """Return the bytes of the answers of rows from `first` on, by position."""
        return {
            entry[0]: entry[2] for _, places in self._places(first, count) for _, entry in places
        }

    def _sound(
        self, first: int, count: int, wanted: Container[int] | None = None
    ) -> Iterator[tuple[Entry, memoryview]]:
        """Yield the rows that are as they were written, entries and bodies; later ones later.

        All of them, or those `wanted`. A few MiB of bodies are read at once, or one body.
        """
        for file, places in self._places(first, count):
            chosen = [place for place in places if wanted is None or place[1][0] in wanted]
            sizes = [entry[2] for _, entry in chosen]
            for begin, end in cut(_spans(chosen), SPOOL_READ_BYTES):
                start = chosen[begin][0]
                bytes_read = chosen[end - 1][0] + sizes[end - 1] - start
                bodies = memoryview(file.read_at(bytes_read, start))
                for offset, entry in chosen[begin:end]:
                    body = bodies[offset - start : offset - start + entry[2]]
                    if zlib.crc32(body) == entry[3]:
                        yield entry, body

    def _places(self, first: int, count: int) -> Iterator[tuple[Ranges, list[_Place]]]:
        """Yield the open file and where the rows of one block begin, block by block, in order."""
        if not self._blocks:
            return
        with self._file.open_ranges() as file:
            if file is None:
                return
            for block in sorted(self._overlapping(first, count), key=lambda block: block.offset):
                entries = self._entries(file, block)
                lowest = max(first, block.first_row)
                highest = min(first + count - 1, block.last_row)
                wanted = range(lowest, highest + 1)
                places = [entries[row] for row in wanted if row in entries]
                yield file, sorted(places, key=itemgetter(0))

    def count(self) -> int:
        """Return how many answers it holds; those of damaged blocks do not count."""
        if not self._blocks:
            return 0
        with self._file.open_ranges() as file:
            return sum(len(block.lines(file)) for block in self._blocks) if file else 0

    def _overlapping(self, first: int, count: int) -> Iterator[Block]:
        begin = bisect_left(self._last_rows, first)
        end = bisect_left(self._blocks, first + count, key=lambda block: block.first_row)
        return (block for block in self._blocks[begin:end] if block.last_row >= first)

    def _entries(self, file: Ranges, block: Block) -> _Entries:
        if block.offset in self._cache:
            self._cache.move_to_end(block.offset)
            return self._cache[block.offset]
        entries, offset = _Entries(), block.bodies_offset
        for entry in map(orjson.loads, block.lines(file)):
            entries[entry[0]] = offset, entry
            offset += entry[2]
        self._cache[block.offset] = entries
        self._cached_rows += len(entries)
        while len(self._cache) > 1 and self._cached_rows > _CACHED_ROWS:
            self._cached_rows -= len(self._cache.popitem(last=False)[1])
        return entries


def _is_here(batch: Batch, row: int) -> bool:
    return row in batch.spooled or batch.is_kept(row)


def _spans(places: Sequence[_Place]) -> list[int]:
    """Return how far each body reaches from the end of the one before."""
    ends = [offset + entry[2] for offset, entry in places]
    return (
        [end - before for end, before in zip(ends, [places[0][0], *ends], strict=False)]
        if places
        else []
    )


def unless_lost(outcome: Outcome | None, file: SpoolFile) -> Outcome:
    """Return `outcome`; raise OSError when the disk has lost it."""
    if outcome is None:
        lost = f"what is kept for {file.name} was damaged after it was written"
        raise OSError(errno.EIO, lost)
    return outcome
