"""Keeps the process of a run small while it calls: answers leave holes in the heap."""

from __future__ import annotations

import gc

import anyio
from anyio import to_thread

from worker.aws.access import Access
from worker.cli.process import ProcessHousekeeping, give_memory_back
from worker.commands.run import run
from worker.commands.run_result import RunResult
from worker.job import Job
from worker.runtime.stop import StopSwitch
from worker.store.base import Store
from worker.telemetry.listener import Committed, RunListener
from worker.telemetry.progress import View

_TIDY_S = 1.0  # it takes some 5 ms, 10 with garbage; what is needed again must be brought back


async def run_kept_small(
    job: Job, store: Store, access: Access, view: View, switch: StopSwitch, *, overwrite: bool
) -> RunResult:
    """Make a run in a process that is its own, and keep the process small; see `run`."""
    housekeeper = Housekeeper()
    async with anyio.create_task_group() as group:
        group.start_soon(housekeeper.run)
        result = await run(
            job,
            store,
            access,
            view,
            switch,
            overwrite=overwrite,
            listeners=[housekeeper],
            housekeeping=ProcessHousekeeping(),
        )
        group.cancel_scope.cancel()
    return result


class Housekeeper(RunListener):
    """Gives memory back every second, and looks for garbage after a part."""

    def __init__(self) -> None:
        self._has_garbage = False

    def committed(self, part: Committed) -> None:
        """Remember that a part has left garbage."""
        del part
        self._has_garbage = True

    async def run(self) -> None:
        """Tidy up for ever; cancel it."""
        while True:
            await anyio.sleep(_TIDY_S)
            if self._has_garbage:
                gc.collect()  # in no thread of its own: all of them wait for it anyway
                self._has_garbage = False
            await to_thread.run_sync(give_memory_back)
