"""What lanes are handed: each row that needs a call, once, whatever they wait for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, Self

import anyio
import anyio.lowlevel
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.call.attempt import Attempt
from worker.call.lane import PutOff
from worker.codec.digests import NO_REQUEST, request_digest
from worker.codec.requests import RequestBuilder
from worker.config.model import InputColumns
from worker.model import Answer, Batch, Chunk, Failure, Outcome, Piece
from worker.pipeline import _dispatch
from worker.pipeline._dispatch import Dispatcher
from worker.pipeline._memory import MemoryBound
from worker.telemetry.tally import Tally

COLUMNS = InputColumns.model_validate({"user_id": "ID"})
_NOTHING: Any = None
PUT_OFF = PutOff(Attempt(_NOTHING, b""), _NOTHING, 1, 0)
ANSWERED = Outcome(Answer(b"{}", "q"), 1, 0, 5, 0.5)
BUILDER = RequestBuilder({}, COLUMNS, num_results_max=500, input_list_max=500)
# Of each row: its ID (None cannot be sent), and whether it is kept.
Made = list[tuple[str | None, bool]]
rows_made = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c", "d", "e"]), st.booleans()))


def digest(name: str | None) -> bytes:
    return NO_REQUEST if name is None else request_digest(b'{"userId":"%s"}' % name.encode())


class Bench:
    """Rows in batches of three, handed to lanes that end them in any order."""

    def __init__(self, chunks: Sequence[Made], seed: int, *, deduplicate: bool) -> None:
        self.rng = random.Random(seed)
        self.tally = Tally(rows_expected=sum(map(len, chunks)))
        self.memory = MemoryBound(1_000)
        self.others_share = self.put_off_share = 0.0
        self.batches: list[Batch] = []
        self.answered_before: list[bytes] = []
        for index, made in enumerate(chunks):
            chunk = Chunk(index, (Piece("p", 0, 0, len(made)),))
            for first in range(0, max(1, len(made)), 3):
                some = made[first : first + 3]
                ids = pa.record_batch({"ID": pa.array([each for each, _ in some], pa.string())})
                kept = bytearray(is_kept for _, is_kept in some)
                self.batches.append(
                    Batch(chunk, len(self.batches), first, first + 3 >= len(made), ids,
                          [None] * len(some), len(some), 0, kept=kept,
                          kept_digests=bytearray().join(digest(name) for name, _ in some))
                )  # fmt: skip
        self.todo_in, self.todo = anyio.create_memory_object_stream[Batch](1)
        done_in, self.done = anyio.create_memory_object_stream[Batch](1_000)
        self.done_in = done_in
        lane: Any = SimpleNamespace(offer_witness=self.answered_before.append)
        self.rows = Dispatcher(
            BUILDER, self.todo, done_in, self.memory, self.tally, lane, deduplicate=deduplicate
        )  # fmt: skip
        self.handed: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.todo_in, self.todo, self.done_in, self.done):
            stream.close()

    async def feed(self) -> None:
        async with self.todo_in:
            for batch in self.batches:
                self.memory.enter(batch)
                await self.todo_in.send(batch)
                await self.pause()

    async def lane(self) -> None:
        while taken := (
            self.rows.take_now(others_first=self.rng.random() < self.others_share)
            or await self.rows.take()
        ):
            batch, row, request, before = taken
            (name,) = batch.rows.slice(row, 1).column("ID").to_pylist()
            assert request == b'{"userId":"%s"}' % str(name).encode()
            if before is None and self.rng.random() < self.put_off_share:
                self.rows.put_off(batch, row, request, PUT_OFF)
                continue
            self.handed.append((batch.sequence, row))
            await self.pause()
            batch.settle(row, ANSWERED)
            if batch.is_done:
                self.done_in.send_nowait(batch)

    async def pause(self) -> None:
        for _ in range(self.rng.randrange(4)):
            await anyio.lowlevel.checkpoint()

    async def run(self, lanes: int) -> list[Batch]:
        """Return the batches that are done."""
        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                group.start_soon(self.feed)
                for _ in range(lanes):
                    group.start_soon(self.lane)
        self.done_in.close()
        return [batch async for batch in self.done]


def expected(made: Made, *, deduplicate: bool) -> tuple[list[int], list[int], dict[int, int]]:
    """Return a chunk's rows that are called, those that cannot be, and the duplicates."""
    firsts: dict[str, int] = {}
    called, refused, duplicates = [], [], {}
    for row, (name, is_kept) in enumerate(made):
        if name is None:
            refused.append(row)
            continue
        first = firsts.setdefault(name, row) if deduplicate else row
        if is_kept:
            continue
        if first == row:
            called.append(row)
        else:
            duplicates[row] = first
    return called, refused, duplicates


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    chunks=st.lists(rows_made, min_size=1, max_size=3),
    lanes=st.integers(1, 5),
    seed=st.integers(0, 99),
    slice_rows=st.integers(1, 4),
    deduplicate=st.booleans(),
)
async def test_each_open_row_is_handed_out_once_and_each_batch_is_done_once(
    monkeypatch: pytest.MonkeyPatch,
    chunks: list[Made],
    lanes: int,
    seed: int,
    slice_rows: int,
    *,
    deduplicate: bool,
) -> None:
    # One that cannot be sent was never answered.
    chunks = [[(name, kept and name is not None) for name, kept in made] for made in chunks]
    monkeypatch.setattr(_dispatch, "_SLICE_ROWS_MAX", slice_rows)
    with Bench(chunks, seed, deduplicate=deduplicate) as bench:
        done = await bench.run(lanes)
    assert sorted(batch.sequence for batch in done) == list(range(len(bench.batches)))
    assert bench.handed == sorted(bench.handed)
    handed = iter(bench.handed)
    for index, made in enumerate(chunks):
        own = [batch for batch in bench.batches if batch.chunk.index == index]
        called, refused, duplicates = expected(made, deduplicate=deduplicate)
        outcomes = [outcome for batch in own for outcome in batch.outcomes]
        assert [row for row, each in enumerate(outcomes) if each is ANSWERED] == called
        assert [
            row for row, each in enumerate(outcomes) if each and isinstance(each.result, Failure)
        ] == refused
        assert {
            batch.first_row + row: first for batch in own for row, first in batch.duplicates.items()
        } == duplicates
        assert [next(handed) for _ in called] == [
            (own[row // 3].sequence, row % 3) for row in called
        ]
        assert bench.tally.expected[index] == (len(made), len(made) - len(called))
    assert bench.tally.results == sum(kept for made in chunks for _, kept in made)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    chunks=st.lists(rows_made, min_size=1, max_size=3),
    lanes=st.integers(1, 5),
    seed=st.integers(0, 99),
    deduplicate=st.booleans(),
)
async def test_rows_that_are_put_off_and_taken_from_afar_are_handed_out_once_too(
    chunks: list[Made], lanes: int, seed: int, *, deduplicate: bool
) -> None:
    chunks = [[(name, kept and name is not None) for name, kept in made] for made in chunks]
    with Bench(chunks, seed, deduplicate=deduplicate) as bench:
        bench.others_share = bench.put_off_share = 0.5
        done = await bench.run(lanes)
    assert sorted(batch.sequence for batch in done) == list(range(len(bench.batches)))
    called = [expected(made, deduplicate=deduplicate)[0] for made in chunks]
    assert len(set(bench.handed)) == len(bench.handed) == sum(map(len, called))
    for index, made in enumerate(chunks):
        assert bench.tally.expected[index] == (len(made), len(made) - len(called[index]))
    assert bench.memory.may_call(bench.batches[-1])


async def test_the_row_taken_first_in_an_outage_is_the_farthest_that_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_dispatch, "_SLICE_ROWS_MAX", 1)
    with Bench([[("a", False), ("b", True), ("a", False)]], 1, deduplicate=False) as bench:
        bench.todo_in.send_nowait(bench.batches[0])
        taken = bench.rows.take_now(others_first=True)
        assert taken is not None
        assert taken[1] == 2
        assert bench.answered_before == [b'{"userId":"b"}']
        taken = bench.rows.take_now(others_first=True)
        assert taken is not None
        assert taken[1] == 0
        bench.rows.put_off(*taken[:3], PUT_OFF)
        assert bench.rows.take_now(others_first=True) == (*taken[:3], PUT_OFF)


async def test_no_more_requests_are_made_ahead_in_an_outage_than_they_may_have_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_dispatch, "READY_BYTES_MAX", 3 * len(b'{"userId":"a"}'))
    monkeypatch.setattr(_dispatch, "_SLICE_ROWS_MAX", 1)
    with Bench([[("a", False)] * 9], 1, deduplicate=False) as bench:
        bench.todo_in.send_nowait(bench.batches[0])
        taken = [bench.rows.take_now(others_first=True)]
        for batch in bench.batches[1:]:
            bench.todo_in.send_nowait(batch)
            taken.append(bench.rows.take_now(others_first=True))
        assert [(each[0].sequence, each[1]) for each in taken if each] == [(0, 2), (1, 0), (1, 1)]
        bench.todo_in.close()
        await bench.lane()
        assert bench.handed == [(0, 0), (0, 1), (1, 2), (2, 0), (2, 1), (2, 2)]


async def test_rows_wait_while_there_is_no_room_for_their_answers() -> None:
    with Bench([[("a", False)] * 4], 1, deduplicate=False) as bench:
        bench.memory.close()
        async with anyio.create_task_group() as group:
            group.start_soon(bench.feed)
            for _ in range(3):
                group.start_soon(bench.lane)
            await anyio.wait_all_tasks_blocked()
            assert bench.handed == []
            bench.memory.open()
        assert len(bench.handed) == 4


async def test_rows_that_were_put_off_wait_too_while_no_call_may_begin() -> None:
    with Bench([[("a", False)]], 1, deduplicate=False) as bench:
        bench.todo_in.send_nowait(bench.batches[0])
        taken = bench.rows.take_now()
        assert taken is not None
        async with anyio.create_task_group() as group:
            group.start_soon(bench.lane)  # waits for another batch, and must not be waited for
            await anyio.wait_all_tasks_blocked()
            bench.memory.close()
            bench.rows.put_off(*taken[:3], PUT_OFF)
            assert bench.rows.take_now(others_first=True) is None
            group.start_soon(bench.lane)
            await anyio.wait_all_tasks_blocked()
            assert bench.handed == []
            bench.memory.open()
            await anyio.wait_all_tasks_blocked()
            assert bench.handed == [(0, 0)]
            bench.todo_in.close()


async def test_a_lane_does_not_overtake_one_that_was_given_a_batch() -> None:
    """Or the batch that it begins with would be dropped for the other's."""
    with Bench([[("a", False)] * 6], 1, deduplicate=False) as bench:
        async with anyio.create_task_group() as group:
            group.start_soon(bench.lane)
            await anyio.wait_all_tasks_blocked()
            for batch in bench.batches:  # one to the lane, which has not run yet, and one to keep
                bench.todo_in.send_nowait(batch)
            assert bench.rows.take_now() is None
            bench.todo_in.close()
        assert bench.handed == [(batch, row) for batch in (0, 1) for row in range(3)]


async def test_long_rows_are_built_one_at_a_time() -> None:
    """A lane's turn must not take long: a list of 500 items takes a fifth of a millisecond."""
    built: list[int] = []

    class Counting(RequestBuilder):
        def build(self, rows: pa.RecordBatch) -> list[bytes | Failure]:
            built.append(rows.num_rows)
            return super().build(rows)

    with Bench([[("x" * 40_000, False)] * 3], 1, deduplicate=False) as bench:
        bench.rows._builder = Counting({}, COLUMNS, num_results_max=500, input_list_max=500)
        await bench.run(1)
    assert built == [1, 1, 1]
