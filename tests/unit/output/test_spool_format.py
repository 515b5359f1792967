"""The spool's format: whose blocks are believed, and of which request an answer is."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.places import spool_at

from worker.model import Answer, Batch, Chunk, Outcome
from worker.output import spool as spool_module
from worker.output._spool_index import SpoolIndex
from worker.output.spool import Spool, SpoolWriter, write_spool
from worker.output.spool_format import Block, Mark, Settled, pack
from worker.store.base import Ranges

CHUNK = Chunk(3, ())
MARK = Mark.of("0123456789abcdef", CHUNK)
OLD, NEW = b"o" * 16, b"n" * 16


def outcome(name: str) -> Outcome:
    return Outcome(Answer(b'{"recommendationId":"%s"}' % name.encode(), "q"), 1, 0, 5, 0.5)


def batch(*digests: bytes, spool: Spool) -> Batch:
    """Return rows that ask what has these digests, as they are fed."""
    mask, kept = spool.kept(0, len(digests))
    rows = pa.record_batch({"ID": [str(n) for n in range(len(digests))]})
    return Batch(CHUNK, 0, 0, True, rows, [None] * len(digests), 0, 0, kept=mask,
                 digests=bytearray().join(digests), kept_digests=kept)  # fmt: skip


def test_a_block_says_format_run_owner_and_chunk_and_each_entry_row_and_digest() -> None:
    """Read here with nothing of the program: the format is fixed."""
    mark = Mark("0123456789abcdef", 70_000, "3/8")
    content = b"".join(pack([Settled(9, outcome("x"), NEW), Settled(4, outcome("y"), OLD)], mark))
    head = struct.unpack_from("<4sHH16s16sIIQQQII", content)
    magic, number, _, run, owner, chunk, entries_bytes, bodies_bytes, lowest, highest, *crcs = head
    assert (magic, number, run, owner.rstrip(b"\0")) == (b"PWSB", 3, b"0123456789abcdef", b"3/8")
    assert (chunk, lowest, highest) == (70_000, 4, 9)
    entries = content[80 : 80 + entries_bytes]
    assert crcs == [zlib.crc32(entries), zlib.crc32(content[:76])]
    listed = [orjson.loads(line) for line in entries.split(b"\n")]
    assert [entry[:2] for entry in listed] == [[9, NEW.hex()], [4, OLD.hex()]]
    assert [entry[4:] for entry in listed] == [[1, 0, 5, 0.5, "q"]] * 2
    bodies = content[80 + entries_bytes :]
    assert len(bodies) == bodies_bytes == sum(entry[2] for entry in listed)
    assert zlib.crc32(bodies[: listed[0][2]]) == listed[0][3]


@pytest.mark.parametrize(
    "other", [MARK._replace(run="fedcba9876543210"), MARK._replace(chunk=4)], ids=["run", "Chunk"]
)
def test_a_block_of_another_run_or_chunk_is_passed_over(tmp_path: Path, other: Mark) -> None:
    path = tmp_path / "part"
    write_spool(spool_at(path), other, [[Settled(0, outcome("theirs"), NEW)]])
    write_spool(spool_at(path), MARK, [[Settled(1, outcome("ours"), NEW)]])
    assert Spool(spool_at(path), MARK).rows(0, 9) == {1: outcome("ours")}
    assert Spool(spool_at(path), other).rows(0, 9) == {0: outcome("theirs")}
    index = SpoolIndex(spool_at(path), MARK, rows_max=9)
    assert index.outcomes({1: NEW}) == {1: outcome("ours")}
    with pytest.raises(OSError, match="damaged"):
        index.outcomes({0: NEW})


def block(number: int = 3, run: bytes = b"0123456789abcdef", more: bytes = b"") -> bytes:
    """Return a block of one row, as another program or version may write it."""
    head, _, entries, body = pack([Settled(0, outcome("x"), NEW)], MARK)
    fields = list(struct.unpack("<4sHH16s16sIIQQQI", head))
    entries = entries[:-1] + more + b"]"
    fields[1], fields[3], fields[6], fields[10] = number, run, len(entries), zlib.crc32(entries)
    head = struct.pack("<4sHH16s16sIIQQQI", *fields)
    return b"".join([head, struct.pack("<I", zlib.crc32(head)), entries, body])


@pytest.mark.parametrize(
    ("content", "is_read"),
    [
        (block(), True),
        (block(more=b',"new",[1]'), True),
        (block(number=4), False),
        (block(run=b"\xff" * 16), False),
    ],
    ids=["ours", "with more in an entry", "another format", "no text"],
)
def test_what_others_write_is_read_as_far_as_the_format_allows(
    content: bytes, is_read: bool, tmp_path: Path
) -> None:
    path = tmp_path / "part"
    path.write_bytes(content)
    assert Spool(spool_at(path), MARK).rows(0, 9) == ({0: outcome("x")} if is_read else {})
    assert bool(SpoolIndex(spool_at(path), MARK, rows_max=9).sizes([0])) == is_read


@given(st.lists(st.sets(st.integers(0, 40), min_size=1, max_size=4), max_size=12), st.data())
def test_rows_are_found_in_whatever_order_their_blocks_are(
    blocks: list[set[int]], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        path, kept = Path(folder) / "part", dict[int, Outcome]()
        for number, rows in enumerate(blocks):
            settled = [Settled(row, outcome(f"{number}"), NEW) for row in rows]
            write_spool(spool_at(path), MARK, [settled])
            kept |= {row: each for row, each, _ in settled}
        spool = Spool(spool_at(path), MARK)
        for _ in range(4):
            first, count = data.draw(st.integers(0, 41)), data.draw(st.integers(1, 41))
            found = {row: each for row, each in kept.items() if first <= row < first + count}
            assert spool.rows(first, count) == found


def test_of_a_large_spool_few_entries_are_remembered_and_late_ones_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of rows that were answered late overlaps with all others."""
    blocks = [[Settled(row, outcome("x"), NEW) for row in range(n, n + 4)] for n in range(0, 80, 5)]
    late = [Settled(row, outcome("late"), NEW) for row in range(4, 80, 5)]
    write_spool(spool_at(tmp_path / "part"), MARK, [*blocks, late])
    monkeypatch.setattr(spool_module, "_CACHED_ROWS", len(late) + 8)
    read = Counter[int]()
    lines = Block.lines

    def counting(self: Block, file: Ranges) -> list[bytes]:
        read[self.offset] += 1
        return lines(self, file)

    monkeypatch.setattr(Block, "lines", counting)
    spool = Spool(spool_at(tmp_path / "part"), MARK)
    for first in range(0, 80, 5):
        assert len(spool.rows(first, 5)) == 5
        assert sum(map(len, spool._cache.values())) <= len(late) + 8
    assert set(read.values()) == {1}


def test_an_answer_that_another_owner_of_the_run_has_paid_for_is_as_good(tmp_path: Path) -> None:
    write_spool(
        spool_at(tmp_path / "part"), MARK._replace(owner="3/8"), [[Settled(0, outcome("x"), NEW)]]
    )
    assert Spool(spool_at(tmp_path / "part"), MARK).rows(0, 9) == {0: outcome("x")}


def test_a_file_of_an_older_format_is_not_believed_and_written_over(tmp_path: Path) -> None:
    """That of format 2 had neither run nor digest: its answers could be to other requests."""
    path, entry, body = tmp_path / "part", b'[0,2,2745614147,1,0,5,0.5,"q"]', b"{}"
    head = struct.pack("<4sIQQQI", b"PWS2", len(entry), len(body), 0, 0, zlib.crc32(entry))
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)) + entry + body)
    assert Spool(spool_at(path), MARK).rows(0, 9) == {}
    write_spool(spool_at(path), MARK, [[Settled(1, outcome("x"), NEW)]])
    assert path.read_bytes().startswith(b"PWSB")
    assert Spool(spool_at(path), MARK).rows(0, 9) == {1: outcome("x")}


def test_of_several_answers_of_a_row_the_last_one_counts_wherever_their_blocks_begin(
    tmp_path: Path,
) -> None:
    """As after an input that was changed: the row was asked again, with what it asks now."""
    writer = SpoolWriter(spool_at(tmp_path / "part"))
    writer.append(pack([Settled(row, outcome("old"), OLD) for row in (5, 6)], MARK))
    writer.append(pack([Settled(row, outcome("new"), NEW) for row in (1, 6)], MARK))
    writer.close()
    spool = Spool(spool_at(tmp_path / "part"), MARK)
    assert spool.rows(0, 9) == {1: outcome("new"), 5: outcome("old"), 6: outcome("new")}
    assert spool.kept(5, 2) == (bytearray(b"\1\1"), bytearray(OLD + NEW))
    index = SpoolIndex(spool_at(tmp_path / "part"), MARK, rows_max=9)
    assert index.outcomes({6: NEW}) == {6: outcome("new")}
    with pytest.raises(OSError, match="damaged"):
        index.outcomes({6: OLD})


def test_an_answer_is_recalled_only_to_a_row_that_asks_what_it_answers(tmp_path: Path) -> None:
    path = tmp_path / "part"
    write_spool(spool_at(path), MARK, [[Settled(row, outcome(str(row)), OLD) for row in range(3)]])
    spool = Spool(spool_at(path), MARK)
    rows = batch(OLD, NEW, OLD, OLD, spool=spool)
    assert [rows.is_kept(row) for row in range(4)] == [True, False, True, False]
    spool.recall(rows)
    assert rows.outcomes == [outcome("0"), None, outcome("2"), None]
