"""The spool: what was appended comes back, whatever happened to the file's end."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.places import spool_at

from worker.model import Answer, Outcome
from worker.output._spool_index import SpoolIndex
from worker.output.spool import Spool, SpoolWriter
from worker.output.spool import write_spool as write_marked
from worker.output.spool_format import Mark, Settled, pack

texts = st.text(max_size=8)
answers = st.builds(
    Answer,
    st.dictionaries(texts, texts, max_size=2).map(orjson.dumps),
    st.none() | texts,
)
outcomes = st.builds(
    Outcome,
    answers,
    st.integers(0, 100),
    st.integers(0, 100),
    st.integers(0, 2**53),
    st.floats(0, 1e6),
)
blocks = st.lists(st.lists(outcomes, min_size=1, max_size=4), max_size=4)


MARK = Mark("0123456789abcdef", 3)
Row = tuple[int, Outcome]


def digest_of(row: int) -> bytes:
    return row.to_bytes(16)


def settled(rows: Iterable[Row]) -> list[Settled]:
    return [Settled(row, outcome, digest_of(row)) for row, outcome in rows]


def write_spool(path: Path, listed: Iterable[Iterable[Row]]) -> None:
    write_marked(spool_at(path), MARK, map(settled, listed))


def single(index: SpoolIndex, *rows: int) -> dict[int, Outcome]:
    return index.outcomes({row: digest_of(row) for row in rows})


def numbered(made: list[list[Outcome]]) -> list[list[Row]]:
    """Number the rows of all blocks, the last ones first: they are done in any order."""
    left = sum(map(len, made))
    numbered_blocks = []
    for block in made:
        numbered_blocks.append([(left - 1 - n, outcome) for n, outcome in enumerate(block)])
        left -= len(block)
    return numbered_blocks


def everything(path: Path) -> dict[int, Outcome]:
    return Spool(spool_at(path), MARK).rows(0, 1_000)


@given(made=blocks, first=st.integers(0, 12), count=st.integers(0, 12))
def test_rows_come_back_as_they_were_done(
    tmp_path_factory: pytest.TempPathFactory, made: list[list[Outcome]], first: int, count: int
) -> None:
    path = tmp_path_factory.mktemp("spool") / "part"
    listed = numbered(made)
    write_spool(path, listed)
    rows = dict(row for block in listed for row in block)
    wanted = {row: rows[row] for row in rows if first <= row < first + count}
    spool = Spool(spool_at(path), MARK)
    assert spool.rows(first, count) == wanted
    mask, digests = spool.kept(first, count)
    assert mask == bytes(first + n in wanted for n in range(count))
    here = range(first, first + count)
    assert digests == b"".join(digest_of(n) if n in wanted else bytes(16) for n in here if wanted)
    assert spool.count() == len(rows)


@given(made=blocks, data=st.data())
def test_of_a_file_that_was_cut_all_whole_blocks_count_and_it_can_be_continued(
    tmp_path_factory: pytest.TempPathFactory, made: list[list[Outcome]], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("spool") / "part"
    listed = numbered(made)
    ends, whole = [0], []
    for block in listed:
        write_spool(path, [block])
        ends.append(path.stat().st_size)
    cut = data.draw(st.integers(0, ends[-1]))
    if path.exists():
        with path.open("r+b") as file:
            file.truncate(cut)
    whole = [block for block, end in zip(listed, ends[1:], strict=True) if end <= cut]
    kept = dict(row for block in whole for row in block)
    assert everything(path) == kept
    more = (999, Outcome(Answer(b"{}", None), 1, 0, 5, 0.5))
    write_spool(path, [[more]])
    assert everything(path) == kept | dict([more])


ONE = Outcome(Answer(b'{"itemList": []}', "r"), 2, 1, 10, 1.5)
TWO = Outcome(Answer(b'{"itemList": [1]}', None), 6, 0, 20, 2.5)
HEAD_BYTES = 80


@pytest.mark.parametrize("damaged", range(0, HEAD_BYTES + 8, 3))
def test_a_block_whose_head_or_entries_are_damaged_is_not_believed(
    tmp_path: Path, damaged: int
) -> None:
    path = tmp_path / "part"
    write_spool(path, [[(0, ONE)]])
    first = path.stat().st_size
    write_spool(path, [[(1, TWO)]])
    content = bytearray(path.read_bytes())
    content[first + damaged] ^= 0xFF
    path.write_bytes(content)
    assert everything(path) == {0: ONE}


def test_a_block_behind_one_whose_entries_are_damaged_is_believed(tmp_path: Path) -> None:
    path = tmp_path / "part"
    write_spool(path, [[(0, ONE)], [(1, TWO)]])
    content = bytearray(path.read_bytes())
    content[HEAD_BYTES + 2] ^= 0xFF
    path.write_bytes(content)
    assert everything(path) == {1: TWO}
    write_spool(path, [[(0, ONE)]])
    assert everything(path) == {0: ONE, 1: TWO}


def test_an_answer_whose_bytes_never_reached_the_disk_is_asked_for_again(tmp_path: Path) -> None:
    """After a crash of the machine a file can have its length, and zeros."""
    path = tmp_path / "part"
    write_spool(path, [[(0, ONE), (1, TWO)]])
    content = path.read_bytes()
    path.write_bytes(content.replace(b'{"itemList": []}', bytes(16)))
    assert everything(path) == {1: TWO}


def test_an_answer_in_the_place_of_another_of_its_length_is_not_believed(tmp_path: Path) -> None:
    """JSON as it may be: a stale block of the disk, say."""
    path = tmp_path / "part"
    write_spool(path, [[(0, ONE), (1, TWO)]])
    path.write_bytes(path.read_bytes().replace(b'{"itemList": []}', b'{"itemlist": []}'))
    assert everything(path) == {1: TWO}


def test_a_block_that_the_disk_refused_half_way_is_replaced_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the next one's bytes could be taken for the bodies that are missing."""
    writer, real = SpoolWriter(spool_at(tmp_path / "part")), os.writev
    writer.append(pack(settled([(0, ONE)]), MARK))

    def refuse(file: int, buffers: list[bytes]) -> int:
        real(file, [b"".join(buffers)[:-7]])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", refuse)
        with pytest.raises(OSError, match="No space"):
            writer.append(pack(settled([(1, TWO), (2, ONE)]), MARK))
    assert everything(tmp_path / "part") == {0: ONE}
    writer.append(pack(settled([(3, TWO)]), MARK))
    writer.close()
    assert everything(tmp_path / "part") == {0: ONE, 3: TWO}


def test_rows_that_are_asked_for_in_order_read_each_block_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks overlap, as where some rows are answered late; opening the spool reads heads only."""
    blocks = [[(10 * block + row, ONE) for row in (*range(9), -1)] for block in range(1, 100)]
    write_spool(tmp_path / "part", blocks)
    read, real = Counter[int](), os.pread

    def count(file: int, size: int, offset: int) -> bytes:
        content = real(file, size, offset)
        read[offset] += content.startswith(b"[")  # entries
        return content

    monkeypatch.setattr(os, "pread", count)
    spool = Spool(spool_at(tmp_path / "part"), MARK)
    assert not read.total()
    found = {row for first in range(0, 1_010, 7) for row in spool.rows(first, 7)}
    assert found == {row for block in blocks for row, _ in block}
    assert read.total() == len(blocks)


@given(made=st.lists(st.lists(outcomes, min_size=1, max_size=4), min_size=1, max_size=4))
def test_single_answers_are_found_while_the_spool_grows(
    tmp_path_factory: pytest.TempPathFactory, made: list[list[Outcome]]
) -> None:
    path = tmp_path_factory.mktemp("spool") / "part"
    index, rows = SpoolIndex(spool_at(path), MARK, rows_max=100), dict[int, Outcome]()
    for block in numbered(made):
        write_spool(path, [block])
        rows.update(block)
        for row, outcome in rows.items():
            assert single(index, row) == {row: outcome}


def test_a_row_that_was_answered_twice_has_its_later_answer(tmp_path: Path) -> None:
    """As after a crash of the machine that damaged the first."""
    later = Outcome(Answer(b'{"itemList": [1]}', "s"), 1, 0, 30, 0.5)
    write_spool(tmp_path / "part", [[(0, ONE)], [(1, ONE), (0, later)]])
    assert single(SpoolIndex(spool_at(tmp_path / "part"), MARK, rows_max=2), 0, 1) == {
        0: later,
        1: ONE,
    }


@pytest.mark.parametrize("is_indexed", [True, False])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_a_single_answer_that_the_disk_has_lost_is_an_error_and_no_other(
    tmp_path: Path, data: st.DataObject, *, is_indexed: bool
) -> None:
    path, rows = tmp_path / "part", {0: ONE, 1: TWO}
    path.unlink(missing_ok=True)
    write_spool(path, [[*rows.items()]])
    index = SpoolIndex(spool_at(path), MARK, rows_max=2)
    if is_indexed:
        assert single(index, 0, 1) == rows
    content = path.read_bytes()
    begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    damage = data.draw(st.sampled_from([bytes(end - begin), content[:1] * (end - begin), b""]))
    path.write_bytes(content[:begin] + damage + content[end:])
    for row, outcome in rows.items():
        with suppress(OSError):
            assert single(index, row) == {row: outcome}
    path.write_bytes(content[:begin])
    if begin < len(content):
        with pytest.raises(OSError, match="damaged after it was written"):
            single(index, 1)


def test_what_vanishes_or_is_damaged_while_it_is_read_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "part"
    write_spool(path, [[(0, ONE), (1, TWO)]])
    spool, cut = Spool(spool_at(path), MARK), Spool(spool_at(path), MARK)
    assert spool.rows(0, 1) == {0: ONE}
    os.truncate(path, path.stat().st_size - 1)
    assert spool.rows(0, 2) == {0: ONE}
    os.truncate(path, HEAD_BYTES + 2)
    assert spool.rows(0, 2) == cut.rows(0, 2) == {}
    path.unlink()
    assert spool.rows(0, 2) == {}


def test_there_is_nothing_in_a_spool_that_was_never_written(tmp_path: Path) -> None:
    assert everything(tmp_path / "part") == {}


def test_blocks_larger_than_one_write_call_takes_are_written_whole(tmp_path: Path) -> None:
    rows = [
        (row, Outcome(Answer(b'{"a": "%d"}' % row, None), 1, 0, row, 0.5)) for row in range(5_000)
    ]
    write_spool(tmp_path / "part", [rows])
    assert Spool(spool_at(tmp_path / "part"), MARK).rows(0, 5_000) == dict(rows)
