"""Identical requests: found whatever the batches, sent once a part, answered to every row."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.jobs import job_over
from support.lanes import leave, make_lane
from support.places import path_of

from worker.codec import duplicates
from worker.codec.digests import request_digest
from worker.codec.duplicates import FirstRows
from worker.job import Job
from worker.model import Answer, Failure
from worker.output.books import Books
from worker.output.summary import add_up
from worker.pipeline import _memory, pipeline
from worker.pipeline.handout import InOrder
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Turn

ROWS_PER_PART = 8
Row = dict[str, Any]
ERROR_CODES = {"rejected": "ValidationException", "garbled": "InvalidAnswer"}
REJECTED = Failure(ERROR_CODES["rejected"], "not this one", 400, "q")


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(0, 60))
def test_the_row_that_makes_a_request_first_is_found(values: list[int], compared: int) -> None:
    known = dict[int, int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(duplicates, "COMPARED_ROWS_MAX", compared)
        first_rows = FirstRows(len(values))
        for row, value in enumerate(values):
            if row < compared:
                known.setdefault(value, row)
            assert first_rows.find(request_digest(b"%d" % value), row) == known.get(value, row)


def test_a_table_as_large_as_can_be_holds_all_its_rows() -> None:
    first_rows = FirstRows(10_000_000)
    for row in range(1 << 16):
        assert first_rows.find(request_digest(b"%d" % row), row) == row
    for row in range(1 << 16):
        assert first_rows.find(request_digest(b"%d" % row), 1 << 16) == row


class Service:
    """Answers each call with an ID of its own, after a while; or rejects, or talks nonsense."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.asked = Counter[str]()

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        if turn is not None and not await leave(turn):
            return SENT_BACK
        user = body.decode().split('"userId":"')[1].split('"')[0]
        self.asked[user] += 1
        name = f"{user}-{self.asked.total()}"
        for _ in range(self._rng.randrange(4)):
            await anyio.lowlevel.checkpoint()
        if user == "rejected":
            return REJECTED
        if user == "garbled":
            return Answer(b"nonsense", name)
        padding = "x" * self._rng.randrange(200)
        text = f'{{"recommendationId": "{name}", "itemList": [{{"itemId": "{padding}"}}]}}'
        return Answer(text.encode(), name)

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        return failure


def open_input(folder: Path, users: list[str | None], batch_rows: int, **keys: object) -> Job:
    rows = pa.table({"ID": pa.array(users, pa.string()), "N": range(len(users))})
    pq.write_table(rows, path := folder / "in.parquet")
    job = job_over(
        path,
        {"user_id": "ID"},
        input={"keep": ["N"], **keys},
        output={"rows_per_part": ROWS_PER_PART},
        rate={"in_flight_max": 3},
    )
    return replace(job, batch_rows=batch_rows)


async def run(job: Job, service: Service, *, calls_max: int | None = None) -> Books:
    """Run what has no part yet, to the end or the cap; return the books of all parts."""
    store = LocalStore(Path(job.config.output.path))
    chunks = job.source.chunks
    todo = [chunk for chunk in chunks if not path_of(store, chunk.part_name).exists()]
    # As if it had a result before: whether a run of nothing but failures is refused is elsewhere.
    tally = Tally(rows_expected=sum(chunk.rows for chunk in todo), results_before=1)
    switch = StopSwitch()
    lane = make_lane(service, switch=switch, tally=tally, calls_max=calls_max)
    with store.claim(), anyio.fail_after(20):
        await pipeline.run_chunks(
            job, InOrder(todo), lane=lane, tally=tally, switch=switch, store=store,
            listener=RunListener(),
        )  # fmt: skip
    books = add_up(store, [chunk for chunk in chunks if path_of(store, chunk.part_name).exists()])
    if switch.reason is None:
        assert tally.rows_done == tally.rows_expected == sum(chunk.rows for chunk in todo)
        assert tally.rows_expected - tally.needless == tally.calls  # known when all is read
        if todo == [*chunks]:
            assert tally.duplicates == books.duplicates
    return books


def rows_of(folder: Path) -> dict[int, Row]:
    """Return all results and failed rows by their number; each has to be there once."""
    paths = [*folder.glob("out/part-*.parquet"), *folder.glob("out/_errors/part-*.parquet")]
    rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
    assert len({row["N"] for row in rows}) == len(rows)
    return {row["N"]: row for row in rows}


users_in_any_pattern = st.lists(
    st.sampled_from(["a", "b", "c", "d", "e", "rejected", "garbled", None]), min_size=1, max_size=29
).map(lambda users: ["a", *users])  # without any result the run is refused


@settings(max_examples=60)
@given(
    users=users_in_any_pattern,
    batch_rows=st.integers(1, 5),
    held_bytes_max=st.sampled_from([1, 300, 1 << 20]),
    calls_max=st.none() | st.integers(1, 12),
    seed=st.integers(0, 1 << 30),
)
def test_whatever_is_equal_is_asked_once_a_part_and_told_to_every_row(
    users: list[str | None], batch_rows: int, held_bytes_max: int, calls_max: int | None, seed: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_memory, "HELD_BYTES_MAX", held_bytes_max)
        patch.setattr(pipeline, "_OPEN_ROWS", batch_rows)
        folder, service = Path(name), Service(random.Random(seed))
        job = open_input(folder, users, batch_rows)
        if calls_max is not None:
            anyio.run(lambda: run(job, service, calls_max=calls_max))
        books = anyio.run(lambda: run(job, service))
        rows = rows_of(folder)
    parts = [range(len(users))[n : n + ROWS_PER_PART] for n in range(0, len(users), ROWS_PER_PART)]
    once = Counter[str | None]()
    for part in parts:
        firsts = dict[str | None, int]()
        for n in part:
            first = firsts.setdefault(users[n], n)
            _assert_told(rows[n], users[n], rows[first] if first != n else None)
        once += Counter(firsts.keys() - {None})
    for user in "abcde":
        assert service.asked[user] == once[user]  # a stop repeats no call that was answered
    assert rows.keys() == {*range(len(users))}
    assert (books.rows_read, books.calls) == (len(users), once.total())
    assert books.duplicates == len(users) - users.count(None) - once.total()
    assert books.latency.get_total_count() == books.calls - once["rejected"]


sound_or_none = st.sampled_from([*"abcde", None])
# Calls until a stop, and what rows ask from then on.
starts = st.tuples(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 29), sound_or_none)))


@settings(max_examples=60)
@given(
    users=st.lists(sound_or_none, min_size=1, max_size=30),
    before=st.lists(starts, max_size=3),
    batch_rows=st.integers(1, 5),
    seed=st.integers(0, 1 << 30),
    deduplicate=st.booleans(),
)
def test_whatever_changes_between_starts_every_row_is_told_what_it_asks(
    users: list[str | None],
    before: list[tuple[int, list[tuple[int, str | None]]]],
    batch_rows: int,
    seed: int,
    *,
    deduplicate: bool,
) -> None:
    """Rows of parts that are not done ask something else at the next start, as one run."""
    users = list(users)
    with tempfile.TemporaryDirectory() as name:
        folder, service = Path(name), Service(random.Random(seed))
        job = open_input(folder, users, batch_rows, deduplicate=deduplicate)
        fingerprint = job.source.fingerprint
        for calls_max, changes in before:
            anyio.run(partial(run, job, service, calls_max=calls_max))
            is_done = {int(part.stem[5:]) for part in folder.glob("out/part-*")}
            for n, user in changes:
                if n < len(users) and n // ROWS_PER_PART not in is_done:
                    users[n] = user
            job = open_input(folder, users, batch_rows, deduplicate=deduplicate)
            job = replace(job, source=replace(job.source, fingerprint=fingerprint))
        anyio.run(run, job, service)
        rows = rows_of(folder)
    assert rows.keys() == {*range(len(users))}
    for n, user in enumerate(users):
        assert rows[n]["ID"] == user
        if user is None:
            assert rows[n]["error_code"] == "InvalidRow"
        else:
            assert rows[n]["recommendation_id"].startswith(f"{user}-")


def _assert_told(row: Row, user: str | None, first: Row | None) -> None:
    """Assert that a row has its own request's answer, or else what the `first` such row has."""
    assert row["ID"] == user
    if user is None:
        assert (row["error_code"], row["attempts"]) == ("InvalidRow", 0)
    elif first is not None:
        assert row == {**first, "N": row["N"], "attempts": 0}
    elif user in ERROR_CODES:
        assert (row["error_code"], row["attempts"]) == (ERROR_CODES[user], 1)
    else:
        assert (row["recommendation_id"], row["attempts"]) == (row["request_id"], 1)
        assert row["request_id"].startswith(f"{user}-")


async def test_rows_beyond_those_compared_are_told_what_the_first_ones_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "COMPARED_ROWS_MAX", 3)
    service = Service(random.Random(1))
    books = await run(open_input(tmp_path, ["a", "b", "b", "c", "c", "a"], 2), service)
    assert service.asked == {"a": 1, "b": 1, "c": 2}
    assert books.duplicates == 2


async def test_switched_off_every_row_is_asked(tmp_path: Path) -> None:
    service = Service(random.Random(1))
    books = await run(open_input(tmp_path, ["a"] * 6, 2, deduplicate=False), service)
    assert (books.calls, books.duplicates, service.asked["a"]) == (6, 0, 6)
    assert len({row["request_id"] for row in rows_of(tmp_path).values()}) == 6
