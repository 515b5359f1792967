"""Answers that are paid for, kept on disk until their part is committed.

A part appears whole or not at all; without this a killed run would ask for all its rows again. Rows
are appended as they are done, in any order, in blocks of some dozens, every two seconds or sooner:
what a kill loses is what has not been written yet. Every head, every block's entries and every body
has its CRC-32, so of a file that a crash has torn or holed just what is whole is believed; the rest
is asked again.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import orjson

from worker.model import Answer, Batch, Outcome

# Of a block: magic, bytes of its entries, bytes of its bodies, its lowest and highest row, CRC-32
# of its entries; then the CRC-32 of all these.
_HEAD = struct.Struct("<4sIQQQI")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_MAGIC = b"PWS2"
_BUFFERS_MAX = 512  # of one writev: below every system's IOV_MAX
_CACHED_ROWS = 20_000  # of entries, some 10 MB: rows that were answered late are in later blocks

# A row that is answered, by its position among the chunk's selected rows.
Settled = tuple[int, Outcome]


# Row, bytes and CRC-32 of its body, attempts, throttles, sent_us, latency_ms, request ID.
Entry = tuple[int, int, int, int, int, int, float, str | None]


def pack(rows: Sequence[Settled]) -> list[bytes]:
    """Return the answers among `rows`, one at least, as a block: its buffers. Pure."""
    answered = [(row, each, each.result) for row, each in rows if isinstance(each.result, Answer)]
    bodies = [body for _, _, (body, _) in answered]
    entries = b"\n".join(
        [
            orjson.dumps(
                (row, len(body), zlib.crc32(body), attempts, throttles, sent_us, latency_ms, name)
            )
            for row, (_, attempts, throttles, sent_us, latency_ms), (body, name) in answered
        ]
    )
    numbers = [row for row, _, _ in answered]
    bounds = (len(entries), sum(map(len, bodies)), min(numbers), max(numbers))
    head = _HEAD.pack(_MAGIC, *bounds, zlib.crc32(entries))
    return [head, _CRC.pack(zlib.crc32(head)), entries, *bodies]


class SpoolWriter:
    """Appends to one chunk's spool, behind the blocks that are there already. Blocking."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._end = Spool(path).end
        os.ftruncate(self.file, self._end)

    def append(self, blocks: Sequence[bytes]) -> None:
        """Write what `pack` returned, for one block or several, to be read after any kill.

        Raises OSError when the disk refuses; what comes next then takes the place of this.
        """
        os.lseek(self.file, self._end, os.SEEK_SET)
        for first in range(0, len(blocks), _BUFFERS_MAX):
            _write_all(self.file, blocks[first : first + _BUFFERS_MAX])
        self._end += sum(map(len, blocks))

    def close(self) -> None:
        """Close the file, which stays."""
        os.close(self.file)


def write_spool(path: Path, blocks: Iterable[Sequence[Settled]]) -> None:
    """Write a chunk's spool, a block for each of `blocks`, as a run that was killed leaves it.

    For tests and benches. Raises OSError when the disk refuses.
    """
    writer = SpoolWriter(path)
    try:
        for rows in blocks:
            writer.append(pack(rows))
    finally:
        writer.close()


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block of a spool is, and which rows it may hold."""

    first_row: int
    last_row: int
    offset: int  # of its entries
    entries_bytes: int
    entries_crc: int
    end: int

    @property
    def bodies_offset(self) -> int:
        """Where its bodies begin."""
        return self.offset + self.entries_bytes

    def lines(self, file: int) -> list[bytes]:
        """Return its entries; none when a crash of the machine has damaged them."""
        text = os.pread(file, self.entries_bytes, self.offset)
        return text.split(b"\n") if zlib.crc32(text) == self.entries_crc else []


# Of each row of a block: where its body begins in the file, and its entry.
_Entries = dict[int, tuple[int, Entry]]


class Spool:
    """Reads a chunk's spool: an index of its blocks now, their rows when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        blocks: list[Block] = []
        with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
            blocks.extend(blocks_of(file.fileno()))
        self.end = blocks[-1].end if blocks else 0  # of all that was written whole
        self._blocks = sorted(blocks, key=lambda block: block.first_row)
        self._last_rows = [*accumulate((block.last_row for block in self._blocks), max)]
        self._cache = OrderedDict[int, _Entries]()  # by the offset of their block
        self._cached_rows = 0

    def rows(self, first: int, count: int) -> dict[int, Outcome]:
        """Return the rows from `first` on that are answered, by position.

        Memory: their bodies, and the entries of a few blocks. Asked for in order, or nearly, the
        entries of every block are read once. What is damaged or removed since is left out.
        """
        return {entry[0]: answered(entry, bytes(body)) for entry, body in self._sound(first, count)}

    def mask(self, first: int, count: int) -> bytearray:
        """Return `count` bytes: 1 for each row from `first` on that `rows` would return, else 0."""
        mask = bytearray(count)
        for entry, _ in self._sound(first, count):
            mask[entry[0] - first] = 1
        return mask

    def recall(self, batch: Batch) -> None:
        """Give the batch's kept rows their outcomes. Raises OSError when the disk has lost one."""
        rows = self.rows(batch.first_row, len(batch.kept))
        for row, is_kept in enumerate(batch.kept):
            if is_kept:
                outcome = rows.get(batch.first_row + row)
                batch.outcomes[row] = unless_lost(outcome, self._path)

    def _sound(self, first: int, count: int) -> Iterator[tuple[Entry, memoryview]]:
        """Yield the rows that are as they were written: their entries and bodies."""
        if not self._blocks:
            return
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return
        try:
            for block in self._overlapping(first, count):
                entries = self._entries(file, block)
                lowest = max(first, block.first_row)
                highest = min(first + count - 1, block.last_row)
                wanted = range(lowest, highest + 1)
                places = [entries[row] for row in wanted if row in entries]
                begin = min((offset for offset, _ in places), default=0)
                end = max((offset + entry[1] for offset, entry in places), default=0)
                bodies = memoryview(os.pread(file, end - begin, begin))
                for offset, entry in places:
                    body = bodies[offset - begin : offset - begin + entry[1]]
                    if zlib.crc32(body) == entry[2]:
                        yield entry, body
        finally:
            os.close(file)

    def count(self) -> int:
        """Return how many answers it holds; those of damaged blocks do not count."""
        if not self._blocks:
            return 0
        with self._path.open("rb", buffering=0) as file:
            return sum(len(block.lines(file.fileno())) for block in self._blocks)

    def _overlapping(self, first: int, count: int) -> Iterator[Block]:
        begin = bisect_left(self._last_rows, first)
        end = bisect_left(self._blocks, first + count, key=lambda block: block.first_row)
        return (block for block in self._blocks[begin:end] if block.last_row >= first)

    def _entries(self, file: int, block: Block) -> _Entries:
        if block.offset in self._cache:
            self._cache.move_to_end(block.offset)
            return self._cache[block.offset]
        entries, offset = _Entries(), block.bodies_offset
        for entry in map(orjson.loads, block.lines(file)):
            entries[entry[0]] = offset, entry
            offset += entry[1]
        self._cache[block.offset] = entries
        self._cached_rows += len(entries)
        while len(self._cache) > 1 and self._cached_rows > _CACHED_ROWS:
            self._cached_rows -= len(self._cache.popitem(last=False)[1])
        return entries


def blocks_of(file: int, start: int = 0) -> Iterator[Block]:
    """Yield the blocks, from their heads alone, up to the first that was not written whole."""
    file_bytes = os.fstat(file).st_size
    while len(head := os.pread(file, _HEAD_BYTES, start)) == _HEAD_BYTES:
        magic, entries_bytes, bodies_bytes, first, last, crc = _HEAD.unpack_from(head)
        offset = start + _HEAD_BYTES
        is_sound = _CRC.unpack_from(head, _HEAD.size) == (zlib.crc32(head[: _HEAD.size]),)
        start = offset + entries_bytes + bodies_bytes
        if magic != _MAGIC or not is_sound or start > file_bytes:
            return
        yield Block(first, last, offset, entries_bytes, crc, start)


def unless_lost(outcome: Outcome | None, path: Path) -> Outcome:
    """Return `outcome`; raise OSError when the disk has lost it."""
    if outcome is None:
        lost = f"what is kept for {path.name} was damaged after it was written"
        raise OSError(errno.EIO, lost)
    return outcome


def answered(entry: Entry, body: bytes) -> Outcome:
    """Return what was kept."""
    _, _, _, attempts, throttles, sent_us, latency_ms, request_id = entry
    return Outcome(Answer(body, request_id), attempts, throttles, sent_us, latency_ms)


def _write_all(file: int, buffers: Sequence[bytes]) -> None:
    """Write `buffers` whole; writev may write less than it is given."""
    written = os.writev(file, buffers)
    for buffer in buffers:
        if written < len(buffer):
            rest = memoryview(buffer)[max(0, written) :]
            while rest:
                rest = rest[os.write(file, rest) :]
        written -= len(buffer)
