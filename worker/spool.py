"""Answers that are paid for, kept on disk until their part is committed.

A part appears whole or not at all; without this a killed run would ask for all its rows again. Rows
are appended as they are done, in any order, in blocks of about two seconds: what a kill loses is
what has not been written yet. Blocks are not forced to the disk, so of a crash of the whole machine
the kernel's own write-back decides what is left; what is damaged is not believed, and asked again.
"""

import os
import struct
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from worker.model import Answer, Failure, Outcome

# Of a block: magic, bytes of its entries, bytes of its bodies, CRC-32 of its entries.
_HEAD = struct.Struct("<4sIQI")
_MAGIC = b"PWS1"
_BUFFERS_MAX = 512  # of one writev: below every system's IOV_MAX
_CACHED_BLOCKS = 8
BLOCK_BYTES_MAX = 1 << 30

# A row that is done, by its position among the chunk's selected rows.
Settled = tuple[int, Outcome]


class SpoolWriter:
    """Appends to one chunk's spool, behind the blocks that are sound already. Blocking."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.lseek(self._file, Spool(path).sound_bytes, os.SEEK_SET)
        os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_CUR))

    def append(self, rows: Sequence[Settled]) -> None:
        """Write one block. Raises OSError when the disk refuses; the block is then not believed."""
        entries = orjson.dumps([_entry(row, outcome) for row, outcome in rows])
        bodies = [outcome.result.body for _, outcome in rows if isinstance(outcome.result, Answer)]
        head = _HEAD.pack(_MAGIC, len(entries), sum(map(len, bodies)), zlib.crc32(entries))
        buffers = [head, entries, *bodies]
        for first in range(0, len(buffers), _BUFFERS_MAX):
            _write_all(self._file, buffers[first : first + _BUFFERS_MAX])

    def close(self) -> None:
        """Close the file, which stays."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class _Block:
    first_row: int
    last_row: int
    offset: int  # of its entries
    entries_bytes: int
    bodies_bytes: int


class Spool:
    """Reads a chunk's spool: an index of its blocks now, their rows when they are asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._blocks: list[_Block] = []
        self._cache = OrderedDict[_Block, dict[int, Outcome]]()
        self.sound_bytes = 0
        if path.exists():
            self._scan()

    def rows(self, first: int, count: int) -> dict[int, Outcome]:
        """Return the rows from `first` on that are done, by position. Memory: a few blocks."""
        found: dict[int, Outcome] = {}
        for block in self._blocks:
            if block.first_row < first + count and first <= block.last_row:
                rows = self._read(block)
                wanted = (row for row in rows if first <= row < first + count)
                found.update({row: rows[row] for row in wanted})
        return found

    def _scan(self) -> None:
        """Find the blocks, up to the first that is not whole."""
        with self._path.open("rb") as file:
            file_bytes = os.fstat(file.fileno()).st_size
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                magic, entries_bytes, bodies_bytes, crc = _HEAD.unpack(head)
                offset = file.tell()
                end = offset + entries_bytes + bodies_bytes
                if magic != _MAGIC or end > file_bytes or end - offset > BLOCK_BYTES_MAX:
                    return
                entries = file.read(entries_bytes)
                if zlib.crc32(entries) != crc:
                    return
                rows = [entry[0] for entry in orjson.loads(entries)]
                self._blocks.append(
                    _Block(min(rows), max(rows), offset, entries_bytes, bodies_bytes)
                )
                self.sound_bytes = end
                file.seek(end)

    def _read(self, block: _Block) -> dict[int, Outcome]:
        if block in self._cache:
            self._cache.move_to_end(block)
            return self._cache[block]
        with self._path.open("rb") as file:
            file.seek(block.offset)
            entries = orjson.loads(file.read(block.entries_bytes))
            bodies = file.read(block.bodies_bytes)
        rows, offset = dict[int, Outcome](), 0
        for row, body_bytes, *fields in entries:
            body = bodies[offset : offset + (body_bytes or 0)]
            offset += body_bytes or 0
            if body_bytes is None or _is_whole(body):
                rows[row] = _outcome(body if body_bytes is not None else None, *fields)
        self._cache[block] = rows
        if len(self._cache) > _CACHED_BLOCKS:
            self._cache.popitem(last=False)
        return rows


def _entry(row: int, outcome: Outcome) -> list[object]:
    """Return what is kept of a row beside its body: position, bytes of the body, the rest."""
    result = outcome.result
    told = [outcome.attempts, outcome.throttles, outcome.sent_us, outcome.latency_ms]
    if isinstance(result, Answer):
        return [row, len(result.body), *told, result.request_id]
    return [row, None, *told, result.request_id, result.code, result.message, result.http_status]


def _outcome(
    body: bytes | None,
    attempts: int,
    throttles: int,
    sent_us: int,
    latency_ms: float,
    request_id: str | None,
    code: str = "",
    message: str = "",
    http_status: int | None = None,
) -> Outcome:
    result: Answer | Failure = (
        Failure(code=code, message=message, http_status=http_status, request_id=request_id)
        if body is None
        else Answer(body, request_id)
    )
    return Outcome(result, attempts, throttles, sent_us, latency_ms)


def _is_whole(body: bytes) -> bool:
    """Whether a body is still what was written; one that never was JSON is asked for again."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return True


def _write_all(file: int, buffers: list[bytes]) -> None:
    """Write `buffers` whole; writev may write less than it is given."""
    written = os.writev(file, buffers)
    for buffer in buffers:
        if written < len(buffer):
            rest = memoryview(buffer)[max(0, written) :]
            while rest:
                rest = rest[os.write(file, rest) :]
        written -= len(buffer)
