"""`run`: claims the output, works on every chunk that is not done, and sums up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
from anyio import to_thread

from worker.aws.access import Access
from worker.aws.control_plane import provisioned_tps, rate_name
from worker.aws.login import Login, logged_in
from worker.commands.run_result import RunResult
from worker.config.model import Config
from worker.engine.base import Share
from worker.engine.local import fitted, work
from worker.errors import InputError, OutputError, StoppedError, WorkerError, leaves
from worker.job import Job
from worker.model import Chunk
from worker.output.disowned import disown_malformed
from worker.output.run_folder import (
    SUCCESS_NAME,
    chunks_by_state,
    claim,
    read_success,
    update_input,
)
from worker.output.run_record import RunRecord
from worker.output.same_input import changed_files, check_parts, made_from
from worker.output.summary import Summary, add_up
from worker.pipeline.forecast import look_ahead
from worker.pipeline.handout import InOrder
from worker.rate.choice import RateChoice, choose_rate, needs_provisioned_tps
from worker.runtime import log
from worker.runtime.clock import RunningClock
from worker.runtime.housekeeping import Housekeeping
from worker.runtime.stop import StopSwitch
from worker.store.base import Store
from worker.telemetry.cost import calls_max
from worker.telemetry.listener import Listeners, RunListener, Started
from worker.telemetry.progress import Progress, View
from worker.telemetry.run_log import RunLog
from worker.telemetry.tally import Tally


async def run(
    job: Job,
    store: Store,
    access: Access,
    view: View,
    switch: StopSwitch,
    *,
    overwrite: bool = False,
    listeners: Sequence[RunListener] = (),
    housekeeping: Housekeeping | None = None,
) -> RunResult:
    """Finish the run and return what it came to: the content of `_SUCCESS`, or the like.

    `listeners` hear of the run's moments, after its log and `view`.

    Raises StoppedError when `switch` or a cap of [stop] ends it early: everything committed stays,
    and the same call carries on. Raises RefusedError, ConflictError, InputError or OutputError as
    their names say; the last two end as StoppedError once anything was called.
    """
    keeping = housekeeping or Housekeeping()
    with store.claim():
        recorded = claim(job, store, overwrite=overwrite)
        done, todo = chunks_by_state(store, job.source.chunks)
        await _compare(job, store, recorded, done, switch)
        if summary := read_success(store):
            log.info("already done", output=store.place)
            return await to_thread.run_sync(_finish, job, store, summary, keeping)
        store.remove(SUCCESS_NAME)  # one that does not hold any more
        if done and todo:
            log.info("resuming", parts_done=len(done), parts_left=len(todo))
        for chunk in done:  # a kill may have come between a commit and this
            store.drop_spool(job.run_id, chunk.part_name)
        # A damaged part is found before the first call, not after the last.
        books = await to_thread.run_sync(add_up, store, done)
        stop = job.config.stop
        tally = Tally(
            rows_expected=sum(chunk.rows for chunk in todo),
            results_before=books.results,
            # Who tolerates more is not stopped by less.
            error_share_stop=max(stop.error_share_stop, stop.error_share_max),
        )
        progress = Progress(view)
        listener = Listeners([RunLog(), progress, *listeners])
        with _resumable_after_calls(tally):
            if todo:
                await _work(job, todo, tally, store, access, progress, listener, switch)
            return await to_thread.run_sync(_finish, job, store, None, keeping)


async def _work(
    job: Job,
    todo: list[Chunk],
    tally: Tally,
    store: Store,
    access: Access,
    progress: Progress,
    listener: RunListener,
    switch: StopSwitch,
) -> None:
    """Log in, choose the rate, and have the engine do all that is left.

    Raises StoppedError when `switch` or a cap of [stop] ends it early.
    """
    job = fitted(job)
    config, clock, is_done = job.config, RunningClock(), False
    try:
        async with logged_in(access, config.stop, switch, clock) as login:
            rate = await _chosen_rate(config, login, switch)
            if rate.paced_to is not None or job.where is not None:
                await look_ahead(job, todo, tally, store, switch)
            listener.started(_start(config, rate, tally, parts=len(todo)))
            async with anyio.create_task_group() as group:
                group.start_soon(clock.watch)
                group.start_soon(progress.run)
                await work(
                    job,
                    InOrder(todo, parts_done=len(job.source.chunks) - len(todo)),
                    Share(rate=rate, calls_max=calls_max(config)),
                    tally=tally,
                    store=store,
                    login=login,
                    listener=listener,
                    switch=switch,
                    clock=clock,
                )
                group.cancel_scope.cancel()
        if missing := chunks_by_state(store, todo)[1]:
            switch.throw(f"{missing[0].part_name} was committed, but is not there any more")
            raise switch.error()
        is_done = True
    finally:
        clock.stop()
        if tally.malformed:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(disown_malformed, store, job.run_id, todo, job.shape)
        if not is_done and switch.reason is not None:
            listener.stopped(switch.reason)


async def _chosen_rate(config: Config, login: Login, switch: StopSwitch) -> RateChoice:
    tps = None
    if needs_provisioned_tps(config.rate):
        tps = await switch.wait(provisioned_tps(login, config.target))
    return choose_rate(config.rate, config.stop, provisioned_tps=tps)


def _start(config: Config, rate: RateChoice, tally: Tally, *, parts: int) -> Started:
    return Started(
        operation=config.target.operation.value,
        target=config.target.arn.split(":", 5)[5],
        parts=parts,
        tps=rate.ramp.tps,
        tps_from=rate_name(config.target) if rate.is_provisioned else None,
        tally=tally,
    )


async def _compare(
    job: Job, store: Store, recorded: RunRecord, done: list[Chunk], switch: StopSwitch
) -> None:
    """Raise ConflictError when parts that are done were made from other rows than there are now."""
    changed = changed_files(job.source, recorded)
    parts = [chunk for chunk in done if made_from(chunk, changed)]
    if parts:
        log.info("the input was written again: comparing it with what is done", parts=len(parts))
        await to_thread.run_sync(
            check_parts, job, store, recorded, parts, changed, lambda: switch.reason is not None
        )
        switch.check()
        update_input(job, store, recorded)


@contextmanager
def _resumable_after_calls(tally: Tally) -> Iterator[None]:
    """Turn what is wrong with input or output into a stop, once anything was called."""
    try:
        yield
    except* (InputError, OutputError) as group:
        if not tally.calls:
            raise
        error = leaves(group)[0]
        if isinstance(error, WorkerError):
            raise StoppedError(f"stopped before the end: {error.what}", hint=error.hint) from None


def _finish(
    job: Job, store: Store, summary: Summary | None, housekeeping: Housekeeping
) -> RunResult:
    from worker.commands.finish import finish  # what a start need not wait for

    return RunResult(
        summary=finish(job, store, summary, housekeeping),
        output=job.config.output.path,
        tolerated_share=job.config.stop.error_share_max,
    )
