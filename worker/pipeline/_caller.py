"""Calls for one row after the other: what happens between a row's hand-out and its batch's end."""

from __future__ import annotations

from contextlib import suppress

from anyio.streams.memory import MemoryObjectSendStream

from worker.call.lane import Lane, PutOff
from worker.errors import StoppedError
from worker.model import Batch, Failure, answer_bytes
from worker.pipeline._dispatch import Dispatcher
from worker.pipeline._memory import MemoryBound
from worker.pipeline._spool_keeper import SpoolKeeper
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally


class Caller:
    """Takes rows from the dispatcher to their outcomes, and done batches to the drain.

    As many tasks run it as calls may be open at the same time.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        lane: Lane,
        tally: Tally,
        switch: StopSwitch,
        memory: MemoryBound,
        keeper: SpoolKeeper,
        done: MemoryObjectSendStream[Batch],
    ) -> None:
        self._dispatcher = dispatcher
        self._lane = lane
        self._tally = tally
        self._switch = switch
        self._memory = memory
        self._keeper = keeper
        self._done = done

    async def run(self) -> None:
        """Settle one row after the other until there are no more, or the run is stopped."""
        dispatcher, lane, keeper = self._dispatcher, self._lane, self._keeper
        memory, tally, switch = self._memory, self._tally, self._switch
        with suppress(StoppedError):
            while switch.reason is None:
                taken = dispatcher.take_now(others_first=lane.wants_others)
                if taken is None:
                    # A stop keeps rows that others wait for: those of the oldest batch free memory.
                    taken = await switch.wait(dispatcher.take())
                if taken is None:
                    return
                batch, row, request, before = taken
                outcome = await lane.settle(request, before)
                if isinstance(outcome, PutOff):
                    dispatcher.put_off(batch, row, request, outcome)
                    continue
                keeper.keep(batch, row, outcome)
                tally.count_row(outcome)
                if isinstance(outcome.result, Failure):
                    lane.judge_run()
                if memory.hold(batch, size := answer_bytes(outcome)):
                    batch.settle(row, outcome)
                else:
                    await keeper.flush()
                    batch.settle_in_spool(row, outcome)
                    memory.release(batch, size)
                if batch.is_done:
                    self._done.send_nowait(batch)
                # Else they were kept until there is another answer.
                del taken, batch, request, outcome, before
