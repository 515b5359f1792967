"""What may be in memory between reading and writing."""

from collections.abc import Awaitable, Callable

import anyio
import pyarrow as pa

from worker.model import Batch, Chunk
from worker.room import HELD_BYTES_MAX, Room

CHUNK = Chunk(index=0, pieces=())
ROWS = pa.RecordBatch.from_pydict({"ID": ["a"]})


def batch(sequence: int, *, rows: int = 10, held_bytes: int = 0) -> Batch:
    requests = [b"{}"] * rows
    return Batch(CHUNK, sequence, 0, False, ROWS, requests, [None] * rows, rows, held_bytes)


class Waiter:
    """Somebody who waits for room."""

    def __init__(self) -> None:
        self.went_on = False

    async def run(self, wait: Callable[[], Awaitable[None]]) -> None:
        await wait()
        self.went_on = True


async def test_reading_goes_on_when_rows_are_written() -> None:
    room, waiter = Room(rows_max=20), Waiter()
    first = batch(0)
    room.enter(first)
    await room.wait_to_read()
    room.enter(batch(1))
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.run, room.wait_to_read)
        await anyio.wait_all_tasks_blocked()
        assert not waiter.went_on
        room.leave(first)
    assert waiter.went_on


async def test_reading_waits_for_bytes_but_never_for_itself() -> None:
    room, waiter = Room(rows_max=1_000), Waiter()
    await room.wait_to_read()
    huge = batch(0, held_bytes=2 * HELD_BYTES_MAX)
    room.enter(huge)
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.run, room.wait_to_read)
        await anyio.wait_all_tasks_blocked()
        assert not waiter.went_on
        room.leave(huge)
    assert waiter.went_on


async def test_with_too_many_bytes_of_answers_only_the_oldest_batch_makes_calls() -> None:
    room, waiter = Room(rows_max=1_000), Waiter()
    oldest, next_one = batch(0), batch(1)
    room.enter(oldest)
    room.enter(next_one)
    assert room.may_call(next_one)
    room.hold(oldest, HELD_BYTES_MAX)
    assert room.may_call(oldest)
    assert not room.may_call(next_one)
    async with anyio.create_task_group() as group:
        group.start_soon(waiter.run, lambda: room.wait_to_call(next_one))
        await anyio.wait_all_tasks_blocked()
        assert not waiter.went_on
        room.leave(oldest)
    assert waiter.went_on


async def test_a_batch_that_leaves_takes_all_its_bytes_with_it() -> None:
    room = Room(rows_max=1_000)
    for sequence in range(100):
        each = batch(sequence, held_bytes=HELD_BYTES_MAX // 2)
        room.enter(each)
        room.hold(each, HELD_BYTES_MAX // 3)
        room.leave(each)
    later = batch(200)
    room.enter(later)
    assert room.may_call(later)
