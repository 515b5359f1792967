"""`run`: claims the output, works on every chunk that is not done, and sums up."""

import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import anyio
from anyio import to_thread

from worker import log
from worker.ahead import look_ahead
from worker.breaker import Breaker
from worker.call.access import Access
from worker.call.choose import open_transport
from worker.call.provisioned import provisioned_tps
from worker.call.transport import Transport
from worker.ceilings import ceiling_key
from worker.clock import MonotonicClock
from worker.config import Config
from worker.errors import InputError, OutputError, StoppedError, WorkerError, leaves
from worker.folder import SUCCESS_NAME, chunks_by_state, claim, read_success
from worker.gate import Gate
from worker.govern import Governor
from worker.job import Job
from worker.lane import Lane
from worker.model import Chunk
from worker.pace import Pacer
from worker.part import Books
from worker.pipeline import run_chunks
from worker.progress import View
from worker.retry import RetryBudget
from worker.rules import calls_max
from worker.steer import DeadlineFit, ceiling, keep_ceiling, steered
from worker.stop import StopSwitch, watch_deadline
from worker.store import LocalStore
from worker.summary import add_up
from worker.tally import Tally


async def run(
    job: Job,
    store: LocalStore,
    access: Access,
    view: View,
    switch: StopSwitch,
    *,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Finish the run and return the content of `_SUCCESS`, or of `_QUALITY_FAILED`.

    Raises StoppedError when `switch` or a cap of [stop] ends it early: everything committed stays,
    and the same call carries on. Raises RefusedError, ConflictError, InputError or OutputError as
    their names say; the last two end as StoppedError once anything was called.
    """
    with store.writing():
        claim(job, store, overwrite=overwrite)
        if summary := read_success(store):
            log.info("already done", output=store.root)
            return await to_thread.run_sync(_finish, job, store, summary)
        store.remove(SUCCESS_NAME)  # one that does not hold any more
        done, todo = chunks_by_state(store, job.source.chunks)
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
        with _resumable_after_calls(tally):
            if todo:
                await _work(job, todo, tally, store, access, view, switch)
            return await to_thread.run_sync(_finish, job, store, None)


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


def _finish(job: Job, store: LocalStore, summary: dict[str, Any] | None) -> dict[str, Any]:
    from worker.finish import finish  # what a start need not wait for

    return finish(job, store, summary)


async def _work(
    job: Job,
    todo: list[Chunk],
    tally: Tally,
    store: LocalStore,
    access: Access,
    view: View,
    switch: StopSwitch,
) -> None:
    config = job.config
    tps = config.rate.tps
    if tps is None:
        with switch.interruptible():
            tps = await provisioned_tps(access, config.target)
    if tps is None:
        raise switch.error()
    paced_to = config.stop.deadline if config.rate.tps is None else None
    if paced_to is not None or job.where is not None:
        await look_ahead(job, todo, tally, store, switch)
    log.info(
        "start",
        operation=config.target.operation.value,
        target=config.target.arn.split(":", 5)[5],
        rows=tally.rows_expected,
        parts=len(todo),
        tps=tps,
    )

    async with AsyncExitStack() as stack:
        with switch.interruptible():
            transport = await stack.enter_async_context(
                open_transport(
                    access,
                    operation=config.target.operation,
                    wanted=config.target.transport,
                    timeout_s=config.retry.timeout_s,
                    connections_max=config.rate.in_flight_max,
                )
            )
        if switch.reason is not None:
            raise switch.error()
        target, ramp = config.target, ceiling(config.rate, tps=tps)
        key = ceiling_key(target.arn, target.region_name, access.endpoint_url)
        pacer, governor = steered(config.rate, ramp, tally, MonotonicClock(), ceiling_key=key)
        stack.callback(keep_ceiling, governor, key)
        lane = _lane(config, transport, pacer, governor, switch, tally)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(watch_deadline, config.stop.deadline, switch)
        if paced_to is not None:
            fit = DeadlineFit(governor, tally, ramp, deadline=paced_to)
            fit.plan()
            group.start_soon(fit.run)
        group.start_soon(view.run, tally)
        await run_chunks(
            job, todo, lane=lane, tally=tally, switch=switch, store=store, on_commit=_log_commit
        )
        group.cancel_scope.cancel()
    if missing := chunks_by_state(store, todo)[1]:
        switch.throw(f"{missing[0].part_name} was committed, but is not there any more")
        raise switch.error()


def _log_commit(chunk: Chunk, books: Books) -> None:
    log.debug("committed", part=chunk.part_name, rows=books.rows_read, results=books.results)


def _lane(
    config: Config,
    transport: Transport,
    pacer: Pacer,
    governor: Governor,
    switch: StopSwitch,
    tally: Tally,
) -> Lane:
    return Lane(
        transport=transport,
        pacer=pacer,
        gate=Gate(Breaker(config.stop.outage_s), MonotonicClock(), switch),
        budget=RetryBudget(config.retry.budget_share),
        switch=switch,
        tally=tally,
        attempts_max=config.retry.attempts_max,
        calls_max=calls_max(config),
        rng=random.Random(),  # noqa: S311 - jitter is no secret
        governor=governor,
    )
