"""Outcomes -> parts: both layouts, failed rows, the books, and what a crash leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.places import path_of
from unit.output.outcomes import failure, success

from worker.codec import columns
from worker.codec.decoder import Decoder
from worker.errors import ConflictError, OutputError
from worker.model import Answer, Batch, Chunk, Outcome
from worker.output.books import Books, read_books
from worker.output.part_writer import PartWriter
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation
from worker.store.local import LocalStore

SHAPE = SHAPES[Operation.GET_RECOMMENDATIONS]
CHUNK = Chunk(index=3, pieces=())
INPUT = pa.RecordBatch.from_pydict({"ID": [""], "WIDE": [0]}).schema
COPIED = pa.schema([INPUT.field("ID")])


def rows(names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"ID": name, "WIDE": 1} for name in names], schema=INPUT)


def batch(names: list[str], outcomes: list[Outcome], *, first_row: int = 0) -> Batch:
    listed: list[Outcome | None] = list(outcomes)
    return Batch(
        CHUNK,
        0,
        first_row,
        True,
        rows(names).select(["ID"]),
        listed,
        0,
        0,
        kept=bytearray(len(names)),
        digests=bytearray(16 * len(names)),
    )


def writer(store: LocalStore, *, exploded: bool = False) -> PartWriter:
    name = "exploded" if exploded else "nested"
    return PartWriter(
        store,
        CHUNK,
        copied=("ID",),
        shape=SHAPE,
        results_schema=columns.results_schema(COPIED, SHAPE, name),
        errors_schema=columns.errors_schema(INPUT),
        exploded=exploded,
        compression="zstd",
    )


@dataclass
class Again:
    batches: list[pa.RecordBatch]
    lost: dict[str, str] = field(default_factory=dict)

    def read(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        assert chunk == CHUNK
        return iter(self.batches)


def commit(
    store: LocalStore, batches: list[tuple[list[str], list[Outcome]]], *, exploded: bool = False
) -> Books:
    with store.claim():
        part = writer(store, exploded=exploded)
        first_row = 0
        for names, outcomes in batches:
            part.add(batch(names, outcomes, first_row=first_row))
            first_row += len(names)
        part.commit(Again([rows(names) for names, _ in batches]))
    return part.books


def results(store: LocalStore) -> list[dict[str, Any]]:
    return pq.read_table(path_of(store, CHUNK.part_name)).to_pylist()


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3), max_size=6))
def test_both_layouts_hold_the_same_facts(lists: list[list[str]]) -> None:
    copied = pa.RecordBatch.from_pylist([{"ID": str(n)} for n in range(len(lists))], schema=COPIED)
    outcomes = [success(*listed, rid=str(n)) for n, listed in enumerate(lists)]
    answers = [outcome.result for outcome in outcomes if isinstance(outcome.result, Answer)]
    nested = columns.nested(
        copied,
        Decoder(SHAPE).decode(answers),
        outcomes,
        columns.results_schema(COPIED, SHAPE, "nested"),
    )
    schema = columns.results_schema(COPIED, SHAPE, "exploded")
    exploded = [
        row for table in columns.explode(nested, SHAPE, schema) for row in table.to_pylist()
    ]
    expected = []
    for row in nested.to_pylist():
        own = {key: value for key, value in row.items() if key != "items"}
        nothing = dict.fromkeys(("rank", *SHAPE.type.names))
        listed = [{"rank": n, **item} for n, item in enumerate(row["items"], 1)]
        expected += [{**own, **item} for item in listed or [nothing]]
    assert exploded == expected


def test_failed_rows_keep_all_their_columns(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "out")
    batches = [(["a", "b"], [success("x"), failure()]), (["c", "d"], [failure(), success("y")])]
    books = commit(store, batches)
    assert [row["ID"] for row in results(store)] == ["a", "d"]
    errors = pq.read_table(path_of(store, CHUNK.errors_name))
    assert errors.column_names[:2] == ["ID", "WIDE"]
    assert errors.select(["ID", "WIDE", "error_code", "http_status", "attempts"]).to_pylist() == [
        {"ID": name, "WIDE": 1, "error_code": "InternalFailure", "http_status": 500, "attempts": 3}
        for name in ("b", "c")
    ]
    assert (books.rows_read, books.results, dict(books.errors)) == (4, 2, {"InternalFailure": 2})


def test_a_malformed_answer_becomes_a_failed_row_with_its_attempts(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    bad = Outcome(Answer(body=b"{", request_id="r"), 2, 0, 10**15, 1.0)
    commit(store, [(["a", "b"], [bad, success("x")])])
    (row,) = pq.read_table(path_of(store, CHUNK.errors_name)).to_pylist()
    assert (row["ID"], row["error_code"], row["attempts"]) == ("a", "InvalidAnswer", 2)


@pytest.mark.parametrize("undone", [0, 1, 2])
def test_a_row_that_is_not_done_ends_the_run_before_outcomes_shift(
    tmp_path: Path, undone: int
) -> None:
    store, made = LocalStore(tmp_path), batch(["a", "b", "c"], [success("x", rid=r) for r in "abc"])
    made.outcomes[undone] = None
    with store.claim():
        part = writer(store)
        with pytest.raises(RuntimeError, match=r"3 rows of part-00003\.parquet .* but 2 are done"):
            part.add(made)
        part.discard()
    assert part.books.rows_read == 0


def test_the_books_in_the_footer_are_those_of_the_part(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    books = commit(store, [(["a", "b"], [success("x"), failure()])])
    found = read_books(store, CHUNK.part_name)
    assert (found.dump(), found.calls, found.retries, found.throttles) == (books.dump(), 5, 3, 1)
    assert found.latency.get_value_at_percentile(50) == pytest.approx(12_500, rel=0.01)


@pytest.mark.parametrize(
    ("exploded", "distinct"),
    [
        (True, {"score"}),
        (False, {"score", "recommendation_id", "request_id", "requested_at", "latency_ms"}),
    ],
)
def test_only_columns_that_repeat_have_dictionaries(
    tmp_path: Path, *, exploded: bool, distinct: set[str]
) -> None:
    store = LocalStore(tmp_path)
    commit(store, [(["a"], [success("x")])], exploded=exploded)
    group = pq.read_metadata(path_of(store, CHUNK.part_name)).row_group(0)
    columns = [group.column(index) for index in range(group.num_columns)]
    plain = [column for column in columns if column.dictionary_page_offset is None]
    assert {column.path_in_schema.split(".")[-1] for column in plain} == distinct
    assert columns[0].statistics
    assert columns[0].statistics.min == "a"


def test_a_repeated_chunk_replaces_its_files_and_drops_stale_failures(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    commit(store, [(["a"], [failure()])])
    assert store.list() == [CHUNK.errors_name, CHUNK.part_name]
    commit(store, [(["a"], [success("x")])])
    assert store.list() == [CHUNK.part_name]


def test_nothing_has_a_final_name_before_the_commit(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with store.claim():
        part = writer(store)
        part.add(batch(["a"], [success("x")]))
        assert store.list() == []
        part.discard()
    assert list(tmp_path.iterdir()) == []


def test_the_part_commits_after_its_failed_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash between the two leaves a chunk that counts as not done."""
    store = LocalStore(tmp_path)
    committed: list[str] = []

    def commit_once(name: str) -> None:
        committed.append(name)

    monkeypatch.setattr(store, "commit", commit_once)
    commit(store, [(["a"], [failure()])])
    assert committed == [CHUNK.errors_name, CHUNK.part_name]


def test_a_part_whose_rows_do_not_add_up_is_never_committed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with store.claim():
        part = writer(store)
        part.add(batch(["a"], [success("x")]))
        part.books.results += 1
        with pytest.raises(RuntimeError, match="1 rows read, but 2 results"):
            part.commit(Again([rows(["a"])]))
        part.discard()
        part = writer(store)
        part.add(batch(["a"], [failure()]))
        with pytest.raises(RuntimeError, match="has 0 rows, but row 0 has failed"):
            part.commit(Again([]))
    assert store.list() == []


def test_an_output_that_cannot_be_made_is_an_error_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = LocalStore(tmp_path / "file" / "out")
    with pytest.raises(OutputError, match="cannot write the output") as caught, store.claim():
        pass
    assert caught.value.exit_code == 2


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "out")
    with store.claim():
        second = LocalStore(tmp_path / "out").claim()
        with pytest.raises(ConflictError, match=rf"process {os.getpid()} on") as caught, second:
            pass
        assert caught.value.exit_code == 6
        assert store.list() == []
    with store.claim():
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_a_foreign_part_is_a_conflict(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "part-00000.parquet")
    with pytest.raises(ConflictError, match="is not a part of this program"):
        read_books(LocalStore(tmp_path), "part-00000.parquet")


def test_a_row_group_is_no_more_than_what_a_reader_has_room_for(tmp_path: Path) -> None:
    """Text is kept once in memory for all items of a row, and read once for each."""
    wide = pa.RecordBatch.from_pydict({"ID": ["x" * 50_000 + str(row) for row in range(40)]})
    store, outcomes = LocalStore(tmp_path), [success(*"abcdefghij") for _ in range(40)]
    with store.claim(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("worker.codec.columns.EXPLODED_BYTES_MAX", 1 << 20)
        patch.setattr("worker.output.row_groups.EXPLODED_BYTES_MAX", 1 << 20)
        part = writer(store, exploded=True)
        part.add(replace(batch([""] * 40, list(outcomes)), rows=wide))
        part.commit(Again([]))
    file = pq.ParquetFile(path_of(store, CHUNK.part_name))
    assert file.num_row_groups == 20
    for group in range(20):
        assert file.read_row_group(group).nbytes <= 1.1 * (1 << 20)
    assert file.schema_arrow.field("ID").type == pa.string()
    assert file.read(["ID"])["ID"].to_pylist() == [
        name for name in wide["ID"].to_pylist() for _ in range(10)
    ]


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12), st.data())
def test_failed_rows_are_found_however_the_input_is_cut_when_it_is_read_again(
    rows_of: list[tuple[bool, bool]], data: st.DataObject
) -> None:
    names = [str(row) for row in range(len(rows_of))]
    outcomes = [failure() if failed else success("x") for failed, _ in rows_of]
    ends = [row for row, (_, is_end) in enumerate(rows_of) if is_end]
    again = [rows(names[b:e]) for b, e in pairwise([0, *ends, len(names)])]
    split = data.draw(st.integers(0, len(names)))
    with TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        with store.claim():
            part = writer(store)
            for first, end in ((0, split), (split, len(names))):
                part.add(batch(names[first:end], outcomes[first:end], first_row=first))
            part.commit(Again(again))
        path = path_of(store, CHUNK.errors_name)
        found = pq.read_table(path)["ID"].to_pylist() if path.exists() else []
    assert found == [name for name, (failed, _) in zip(names, rows_of, strict=True) if failed]
