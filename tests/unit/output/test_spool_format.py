"""The spool's format: whose blocks are believed, and of which request an answer is."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import orjson
import pyarrow as pa
import pytest

from worker.model import Answer, Batch, Chunk, Outcome
from worker.output._spool_index import SpoolIndex
from worker.output.spool import Spool, SpoolWriter, write_spool
from worker.output.spool_format import Mark, Settled, pack

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
    write_spool(path, other, [[Settled(0, outcome("theirs"), NEW)]])
    write_spool(path, MARK, [[Settled(1, outcome("ours"), NEW)]])
    assert Spool(path, MARK).rows(0, 9) == {1: outcome("ours")}
    assert Spool(path, other).rows(0, 9) == {0: outcome("theirs")}
    index = SpoolIndex(path, MARK, rows_max=9)
    assert index.outcomes({1: NEW}) == {1: outcome("ours")}
    with pytest.raises(OSError, match="damaged"):
        index.outcomes({0: NEW})


def test_an_answer_that_another_owner_of_the_run_has_paid_for_is_as_good(tmp_path: Path) -> None:
    write_spool(tmp_path / "part", MARK._replace(owner="3/8"), [[Settled(0, outcome("x"), NEW)]])
    assert Spool(tmp_path / "part", MARK).rows(0, 9) == {0: outcome("x")}


def test_a_file_of_an_older_format_is_not_believed_and_written_over(tmp_path: Path) -> None:
    """That of format 2 had neither run nor digest: its answers could be to other requests."""
    path, entry, body = tmp_path / "part", b'[0,2,2745614147,1,0,5,0.5,"q"]', b"{}"
    head = struct.pack("<4sIQQQI", b"PWS2", len(entry), len(body), 0, 0, zlib.crc32(entry))
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)) + entry + body)
    assert Spool(path, MARK).rows(0, 9) == {}
    write_spool(path, MARK, [[Settled(1, outcome("x"), NEW)]])
    assert path.read_bytes().startswith(b"PWSB")
    assert Spool(path, MARK).rows(0, 9) == {1: outcome("x")}


def test_of_several_answers_of_a_row_the_last_one_counts_wherever_their_blocks_begin(
    tmp_path: Path,
) -> None:
    """As after an input that was changed: the row was asked again, with what it asks now."""
    writer = SpoolWriter(tmp_path / "part")
    writer.append(pack([Settled(row, outcome("old"), OLD) for row in (5, 6)], MARK))
    writer.append(pack([Settled(row, outcome("new"), NEW) for row in (1, 6)], MARK))
    writer.close()
    spool = Spool(tmp_path / "part", MARK)
    assert spool.rows(0, 9) == {1: outcome("new"), 5: outcome("old"), 6: outcome("new")}
    assert spool.kept(5, 2) == (bytearray(b"\1\1"), bytearray(OLD + NEW))
    index = SpoolIndex(tmp_path / "part", MARK, rows_max=9)
    assert index.outcomes({6: NEW}) == {6: outcome("new")}
    with pytest.raises(OSError, match="damaged"):
        index.outcomes({6: OLD})


def test_an_answer_is_recalled_only_to_a_row_that_asks_what_it_answers(tmp_path: Path) -> None:
    path = tmp_path / "part"
    write_spool(path, MARK, [[Settled(row, outcome(str(row)), OLD) for row in range(3)]])
    spool = Spool(path, MARK)
    rows = batch(OLD, NEW, OLD, OLD, spool=spool)
    assert [rows.is_kept(row) for row in range(4)] == [True, False, True, False]
    spool.recall(rows)
    assert rows.outcomes == [outcome("0"), None, outcome("2"), None]
