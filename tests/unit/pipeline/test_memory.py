"""What may be in memory between reading and writing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import pyarrow as pa
import pytest

from worker.model import Batch, Chunk
from worker.pipeline._memory import MemoryBound
from worker.runtime.memory_budget import HELD_BYTES_MAX

CHUNK = Chunk(index=0, pieces=())


def batch(sequence: int, *, rows: int = 10, held_bytes: int = 0) -> Batch:
    ids = pa.RecordBatch.from_pydict({"ID": ["a"] * rows})
    kept = bytearray(rows)
    return Batch(CHUNK, sequence, 0, False, ids, [None] * rows, rows, held_bytes, kept=kept)


class Waiter:
    """Somebody who waits for memory."""

    def __init__(self) -> None:
        self.went_on = False

    async def run(self, wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        self.went_on = True


async def test_reading_goes_on_when_rows_are_written() -> None:
    memory, waiter = MemoryBound(rows_max=20), Waiter()
    first = batch(0)
    memory.enter(first)
    await memory.wait_to_read()
    memory.enter(batch(1))
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.run, memory.wait_to_read)
        await anyio.wait_all_tasks_blocked()
        assert not waiter.went_on
        memory.leave(first)
    assert waiter.went_on


async def test_reading_waits_for_bytes_but_never_for_itself() -> None:
    memory, waiter = MemoryBound(rows_max=1_000), Waiter()
    await memory.wait_to_read()
    huge = batch(0, held_bytes=2 * HELD_BYTES_MAX)
    memory.enter(huge)
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.run, memory.wait_to_read)
        await anyio.wait_all_tasks_blocked()
        assert not waiter.went_on
        memory.leave(huge)
    assert waiter.went_on


async def test_with_too_many_bytes_of_answers_only_the_oldest_batch_makes_calls() -> None:
    memory, waiter = MemoryBound(rows_max=1_000), Waiter()
    oldest, next_one = batch(0), batch(1)
    memory.enter(oldest)
    memory.enter(next_one)
    assert memory.may_call(next_one)
    memory.hold(oldest, HELD_BYTES_MAX)
    assert memory.may_call(oldest)
    assert not memory.may_call(next_one)
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.run, lambda: memory.wait_to_call(next_one))
        await anyio.wait_all_tasks_blocked()
        assert not waiter.went_on
        memory.leave(oldest)
    assert waiter.went_on


async def test_who_asks_for_a_batch_that_has_left_meanwhile_is_not_kept_waiting() -> None:
    """Its last row may have been another's; the next batch is to be looked at."""
    memory = MemoryBound(rows_max=1_000)
    batches = [batch(sequence, held_bytes=HELD_BYTES_MAX) for sequence in range(3)]
    for each in batches:
        memory.enter(each)
    memory.leave(batches[0])
    assert [memory.may_call(each) for each in batches] == [True, True, False]


async def test_a_batch_that_leaves_takes_all_its_bytes_with_it() -> None:
    memory = MemoryBound(rows_max=1_000)
    for sequence in range(100):
        each = batch(sequence, held_bytes=HELD_BYTES_MAX // 2)
        memory.enter(each)
        memory.hold(each, HELD_BYTES_MAX // 3)
        memory.leave(each)
    later = batch(200)
    memory.enter(later)
    assert memory.may_call(later)


def kept_batch(sequence: int, *, held_bytes: int = 0) -> Batch:
    kept = batch(sequence, held_bytes=held_bytes)
    kept.kept = bytearray(b"\1" * kept.rows.num_rows)
    return kept


@pytest.mark.parametrize("by", ["an open row", "too many bytes", "the end"])
async def test_kept_rows_are_written_after_the_first_call_can_be_made(by: str) -> None:
    memory, waiter, seen = MemoryBound(rows_max=1_000), Waiter(), list[bool]()
    await memory.wait_to_write()

    async def see() -> None:
        await anyio.wait_all_tasks_blocked()
        seen.append(waiter.went_on)

    async with anyio.create_task_group() as group:
        with memory.being_read_for():
            memory.enter(kept_batch(0))
            group.start_soon(waiter.run, memory.wait_to_write)
            await see()
            if by == "an open row":
                memory.enter(batch(1))
            elif by == "too many bytes":
                memory.enter(kept_batch(1, held_bytes=HELD_BYTES_MAX))
                group.start_soon(memory.wait_to_read)
            await see()
        await see()
        group.cancel_scope.cancel()
    assert seen == [False, by != "the end", True]


async def test_kept_rows_do_not_hold_the_reader_back_by_their_number() -> None:
    memory = MemoryBound(rows_max=20)
    batches = [kept_batch(sequence) for sequence in range(15)]
    for each in batches:
        await memory.wait_to_read()
        memory.enter(each)
    memory.enter(batch(15, rows=5))
    assert memory.may_call(batches[-1])
    for each in batches:
        memory.leave(each)
    with anyio.fail_after(1):
        await memory.wait_to_read()
