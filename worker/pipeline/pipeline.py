"""A run's only task group: feed -> callers -> drain. MemoryBound holds the reader back."""

from __future__ import annotations

import math

import anyio

from worker.call.lane import Lane
from worker.job import Job
from worker.model import Batch
from worker.pipeline._caller import Caller
from worker.pipeline._dispatch import Dispatcher
from worker.pipeline._drain import Drain
from worker.pipeline._feed import feed
from worker.pipeline._memory import MemoryBound
from worker.pipeline._spool_keeper import SpoolKeeper
from worker.pipeline.handout import HandOut
from worker.runtime.stop import StopSwitch
from worker.store.base import Store
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.intake import Intake

# So many rows wait for a slow one before the reader is held back.
_OPEN_ROWS = 8192


async def run_chunks(
    job: Job,
    handout: HandOut,
    *,
    lane: Lane,
    tally: Tally,
    switch: StopSwitch,
    store: Store,
    listener: RunListener,
    intake: Intake | None = None,
) -> None:
    """Process the Chunks that are handed out, each to its committed part, in their order.

    `intake` is the transport's: answers on their way wait while there is no room for whole ones.
    Returns early, with whole parts only, when `switch` is thrown. Errors leave in an
    ExceptionGroup, half-written parts discarded.
    """
    in_flight_max = job.config.rate.in_flight_max
    memory = MemoryBound(
        max(_OPEN_ROWS, 2 * in_flight_max), answer_bytes=job.answer_bytes, intake=intake or Intake()
    )
    # Never full: `memory` bounds the rows on their way, and so the batches.
    todo_in, todo_out = anyio.create_memory_object_stream[Batch](math.inf)
    done_in, done_out = anyio.create_memory_object_stream[Batch](math.inf)
    keeper = SpoolKeeper(store, job.run_id, memory, parts_done=handout.parts_done)
    drain = Drain(job, store, tally, switch, memory, keeper, lane, listener)
    dispatcher = Dispatcher(
        job.builder,
        todo_out,
        done_in,
        memory,
        tally,
        lane,
        deduplicate=job.config.input.deduplicate,
    )

    caller = Caller(dispatcher, lane, tally, switch, memory, keeper, done_in)

    async def call_all() -> None:
        async with done_in, todo_out, anyio.create_task_group() as tasks:
            tasks.start_soon(feed, job, handout, store, todo_in, memory, switch)
            for _ in range(in_flight_max):
                tasks.start_soon(caller.run)

    try:
        # A drain that fails leaves its stream open: callers may be done before they are cancelled.
        async with done_out, anyio.create_task_group() as group:
            group.start_soon(_stop_calls, switch, lane)
            group.start_soon(call_all)
            group.start_soon(keeper.run)
            await drain.run(done_out.clone())
            group.cancel_scope.cancel()
    finally:
        await keeper.close()


async def _stop_calls(switch: StopSwitch, lane: Lane) -> None:
    """Have nobody wait for a turn once the switch is thrown."""
    await switch.thrown()
    lane.stop()
