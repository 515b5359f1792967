"""Works on chunks in this process: who calls, at which rate, and what ends it early."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio

from worker.aws.access import Access
from worker.aws.control_plane import provisioned_tps, rate_name
from worker.aws.login import Login, logged_in
from worker.call.admission import Admission
from worker.call.breaker import Breaker
from worker.call.lane import Lane
from worker.call.outage import OutageGate
from worker.call.retry import RetryPolicy
from worker.config.model import Config
from worker.job import Job
from worker.model import Chunk
from worker.output.books import Books
from worker.output.run_folder import chunks_by_state
from worker.pipeline.forecast import look_ahead
from worker.pipeline.pipeline import run_chunks
from worker.rate.choice import RateChoice, choose_rate, needs_provisioned_tps
from worker.rate.deadline import DeadlineFit
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.rate.remembered import ceiling_key
from worker.rate.setup import keep_ceiling, steered
from worker.runtime import log
from worker.runtime.clock import RunningClock
from worker.runtime.descriptors import fitting
from worker.runtime.stop import StopSwitch, watch_deadline
from worker.store.local import LocalStore
from worker.telemetry.cost import calls_max
from worker.telemetry.progress import View
from worker.telemetry.tally import Tally
from worker.transport.base import ConnectingTransport, Transport
from worker.transport.choose import configured_transport
from worker.transport.intake import Intake


async def work(
    job: Job,
    todo: list[Chunk],
    tally: Tally,
    store: LocalStore,
    access: Access,
    view: View,
    switch: StopSwitch,
) -> None:
    """Call for every row of `todo` and commit every part.

    Raises StoppedError when `switch` or a cap of [stop] ends it early, RefusedError when the
    service refuses the whole run; errors of input and output leave in an ExceptionGroup.
    """
    job = _fitting(job)
    config = job.config
    intake = Intake()
    async with AsyncExitStack() as stack:
        clock = RunningClock()
        stack.callback(clock.stop)
        login = await stack.enter_async_context(logged_in(access, config.stop, switch, clock))
        choice = await _chosen_rate(config, login, switch)
        if choice.paced_to is not None or job.where is not None:
            await look_ahead(job, todo, tally, store, switch)
        _log_start(config, tally, choice, parts=len(todo))
        transport = await stack.enter_async_context(
            configured_transport(
                config, login, switch, clock, intake, connections_max=config.rate.in_flight_max
            )
        )
        target = config.target
        key = ceiling_key(target.arn, target.region_name, access.endpoint_url)
        pacer, governor = steered(choice, tally, clock, ceiling_key=key)
        stack.callback(keep_ceiling, governor, key)
        breaker = Breaker(config.stop.outage_s, attempts_max=config.retry.attempts_max)
        gate = OutageGate(breaker, clock, switch)
        lane = _lane(config, transport, login, pacer, gate, governor, switch, tally)
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(_call_off, switch, transport)
        group.start_soon(login.run)
        group.start_soon(watch_deadline, config.stop.deadline, switch, clock)
        if choice.paced_to is not None:
            fit = DeadlineFit(governor, tally, choice.ramp, deadline=choice.paced_to, clock=clock)
            fit.plan()
            group.start_soon(fit.run)
        group.start_soon(view.run, tally)
        await run_chunks(
            job,
            todo,
            lane=lane,
            tally=tally,
            switch=switch,
            store=store,
            on_commit=_log_commit,
            intake=intake,
        )
        group.cancel_scope.cancel()
    if missing := chunks_by_state(store, todo)[1]:
        switch.throw(f"{missing[0].part_name} was committed, but is not there any more")
        raise switch.error()


def _fitting(job: Job) -> Job:
    """Return the job with as many calls at the same time as this process may have files open."""
    rate = job.config.rate
    in_flight_max = fitting(rate.in_flight_max, key="rate.in_flight_max")
    rate = rate.model_copy(update={"in_flight_max": in_flight_max})
    return replace(job, config=job.config.model_copy(update={"rate": rate}))


async def _call_off(switch: StopSwitch, transport: ConnectingTransport) -> None:
    """Have no connection waited for once the switch is thrown."""
    await switch.thrown()
    transport.call_off()


async def _chosen_rate(config: Config, login: Login, switch: StopSwitch) -> RateChoice:
    tps = None
    if needs_provisioned_tps(config.rate):
        tps = await switch.wait(provisioned_tps(login, config.target))
    return choose_rate(config.rate, config.stop, provisioned_tps=tps)


def _log_start(config: Config, tally: Tally, choice: RateChoice, *, parts: int) -> None:
    log.info(
        "start",
        operation=config.target.operation.value,
        target=config.target.arn.split(":", 5)[5],
        rows=tally.rows_expected,
        parts=parts,
        tps=choice.ramp.tps,
        **({"tps_from": rate_name(config.target)} if choice.is_provisioned else {}),
    )


def _log_commit(chunk: Chunk, books: Books) -> None:
    log.debug("committed", part=chunk.part_name, rows=books.rows_read, results=books.results)


def _lane(
    config: Config,
    transport: Transport,
    login: Login,
    pacer: Pacer,
    gate: OutageGate,
    governor: Governor,
    switch: StopSwitch,
    tally: Tally,
) -> Lane:
    return Lane(
        transport=transport,
        admission=Admission(
            pacer=pacer,
            gate=gate,
            governor=governor,
            login=login,
            switch=switch,
            tally=tally,
            calls_max=calls_max(config),
        ),
        retry=RetryPolicy(
            attempts_max=config.retry.attempts_max,
            budget_share=config.retry.budget_share,
            rng=random.Random(),  # noqa: S311 - jitter is no secret
        ),
        switch=switch,
        tally=tally,
    )
