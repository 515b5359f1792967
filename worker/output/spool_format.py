"""The spool's format: answers that are paid for, in blocks.

The format, 3, little-endian. A spool is blocks, one after the other. A block stands for itself, so
blocks of several Chunks and owners may lie in one file or object, and in any order:

====== ===== =======================================================================
offset bytes head
====== ===== =======================================================================
0      4     magic, "PWSB"
4      2     format
6      2     0
8      16    run: its run_id, as text, zeros behind it
24     16    owner: who of the run wrote the block, as text; "local", or a shard "3/8"
40     4     Chunk: its number
44     4     bytes of the entries
48     8     bytes of the bodies
56     16    lowest and highest row, 8 bytes each
72     4     CRC-32 of the entries
76     4     CRC-32 of the 76 bytes before
====== ===== =======================================================================

Entries follow, a line of JSON each, and then the bodies in their order. An entry is a list: row
(its position among the Chunk's selected ones), digest of its request (worker.codec.digests, hex),
bytes and CRC-32 of its body, attempts, throttles, microseconds UTC when it was sent, milliseconds
that the answer took, request ID or null. More may come behind these.

A row is believed when run and Chunk are the reader's, whoever the owner is, and its digest is that
of the request which the row makes now. Of several entries of a row the last one counts. A writer
appends to files of its own. Blocks of other formats are not read. An answer that turned out to be
none is taken back by a later entry of its row, with a digest of ones (worker.output.disowned).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import orjson

from worker.model import Answer, Chunk, Outcome
from worker.store.base import Ranges

_FORMAT = 3
_HEAD = struct.Struct("<4sHH16s16sIIQQQI")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_MAGIC = b"PWSB"
LOCAL = "local"  # the owner of all Chunks of a run that one process does


class Settled(NamedTuple):
    """A row that is answered, and what it was asked with."""

    row: int  # its position among the chunk's selected rows
    outcome: Outcome
    digest: bytes  # of its request


class Mark(NamedTuple):
    """Whose a block is."""

    run: str  # run_id, 16 ASCII characters at most
    chunk: int
    owner: str = LOCAL  # 16 ASCII characters at most

    @classmethod
    def of(cls, run_id: str, chunk: Chunk) -> Self:
        """Return what this process marks its blocks with."""
        return cls(run_id, chunk.index)


# Row, digest of its request, bytes and CRC-32 of its body, attempts, throttles, sent_us,
# latency_ms, request ID.
Entry = tuple[int, str, int, int, int, int, int, float, str | None]


def pack(rows: Sequence[Settled], mark: Mark) -> list[bytes]:
    """Return the answers among `rows`, one at least, as a block: its buffers. Pure."""
    answered = [
        (row, digest, outcome, outcome.result)
        for row, outcome, digest in rows
        if isinstance(outcome.result, Answer)
    ]
    bodies = [body for *_, (body, _) in answered]
    entries = b"\n".join(
        [
            orjson.dumps(
                (row, digest.hex(), len(body), zlib.crc32(body), attempts, throttles, sent_us,
                 latency_ms, name)
            )
            for row, digest, (_, attempts, throttles, sent_us, latency_ms), (body, name) in answered
        ]
    )  # fmt: skip
    numbers = [row for row, *_ in answered]
    bounds = (len(entries), sum(map(len, bodies)), min(numbers), max(numbers))
    whose = mark.run.encode("ascii"), mark.owner.encode("ascii"), mark.chunk
    head = _HEAD.pack(_MAGIC, _FORMAT, 0, *whose, *bounds, zlib.crc32(entries))
    return [head, _CRC.pack(zlib.crc32(head)), entries, *bodies]


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block of a spool is, whose it is, and which rows it may hold."""

    mark: Mark
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

    def is_for(self, mark: Mark) -> bool:
        """Return whether its answers are of this run and Chunk; any owner's are as good."""
        return (self.mark.run, self.mark.chunk) == (mark.run, mark.chunk)

    def lines(self, file: Ranges) -> list[bytes]:
        """Return its entries; none when a crash of the machine has damaged them."""
        text = file.read_at(self.entries_bytes, self.offset)
        return text.split(b"\n") if zlib.crc32(text) == self.entries_crc else []


def blocks_of(file: Ranges, start: int = 0) -> Iterator[Block]:
    """Yield the blocks, from their heads alone, up to the first that was not written whole."""
    file_bytes = file.size()
    while len(head := file.read_at(_HEAD_BYTES, start)) == _HEAD_BYTES:
        magic, number, _, run, owner, chunk, *sizes, first, last, crc = _HEAD.unpack_from(head)
        entries_bytes, bodies_bytes = sizes
        offset = start + _HEAD_BYTES
        is_sound = _CRC.unpack_from(head, _HEAD.size) == (zlib.crc32(head[: _HEAD.size]),)
        start = offset + entries_bytes + bodies_bytes
        if (magic, number) != (_MAGIC, _FORMAT) or not is_sound or start > file_bytes:
            return
        mark = Mark(_text(run), chunk, _text(owner))
        yield Block(mark, first, last, offset, entries_bytes, crc, start)


def answered(entry: Entry, body: bytes) -> Outcome:
    """Return what was kept."""
    _, _, _, _, attempts, throttles, sent_us, latency_ms, request_id, *_ = entry
    return Outcome(Answer(body, request_id), attempts, throttles, sent_us, latency_ms)


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode("ascii", errors="replace")
