"""Works on Chunks in this process: what calls, keeps the rate, and ends it early."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from dataclasses import replace

import anyio

from worker.aws.login import Login
from worker.call.admission import Admission
from worker.call.backoff import RetryPolicy
from worker.call.breaker import Breaker
from worker.call.lane import Lane
from worker.call.outage import OutageGate
from worker.config.model import Config
from worker.engine.base import Share
from worker.job import Job
from worker.pipeline.handout import HandOut
from worker.pipeline.pipeline import run_chunks
from worker.rate.deadline import DeadlineFit
from worker.rate.remembered import ceiling_key
from worker.rate.setup import keep_ceiling, steered
from worker.runtime.clock import Clock
from worker.runtime.descriptors import fitting
from worker.runtime.stop import StopSwitch, watch_deadline
from worker.store.base import Store
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import ConnectingTransport, Transport
from worker.transport.choose import configured_transport
from worker.transport.intake import Intake


async def work(
    job: Job,
    handout: HandOut,
    share: Share,
    *,
    tally: Tally,
    store: Store,
    login: Login,
    listener: RunListener,
    switch: StopSwitch,
    clock: Clock,
) -> None:
    """Call for every row of the Chunks that are handed out, and commit their parts.

    `job` is one that is `fitted` to this process. Returns early, with whole parts only, when
    `switch` or a cap of [stop] ends it. Raises RefusedError when the service refuses the whole run;
    errors of input and output leave in an ExceptionGroup.
    """
    config, rate = job.config, share.rate
    intake = Intake()
    async with AsyncExitStack() as stack:
        transport = await stack.enter_async_context(
            configured_transport(
                config, login, switch, clock, intake, connections_max=config.rate.in_flight_max
            )
        )
        target = config.target
        key = ceiling_key(target.arn, target.region_name, login.access.endpoint_url)
        pacer, governor = steered(rate, tally, clock, ceiling_key=key)
        if share.is_whole:
            stack.callback(keep_ceiling, governor, key)
        breaker = Breaker(config.stop.outage_s, attempts_max=config.retry.attempts_max)
        admission = Admission(
            pacer=pacer,
            gate=OutageGate(breaker, clock, switch, listener),
            governor=governor,
            login=login,
            switch=switch,
            tally=tally,
            listener=listener,
            calls_max=share.calls_max,
        )
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(_call_off, switch, transport)
        group.start_soon(login.run)
        group.start_soon(watch_deadline, config.stop.deadline, switch, clock)
        if rate.paced_to is not None:
            fit = DeadlineFit(governor, tally, rate.ramp, deadline=rate.paced_to, clock=clock)
            fit.plan()
            group.start_soon(fit.run)
        await run_chunks(
            job,
            handout,
            lane=_lane(config, transport, admission, switch, tally),
            tally=tally,
            switch=switch,
            store=store,
            listener=listener,
            intake=intake,
        )
        group.cancel_scope.cancel()


def fitted(job: Job) -> Job:
    """Return the job with as many calls at the same time as this process may have files open."""
    rate = job.config.rate
    in_flight_max = fitting(rate.in_flight_max, key="rate.in_flight_max")
    rate = rate.model_copy(update={"in_flight_max": in_flight_max})
    return replace(job, config=job.config.model_copy(update={"rate": rate}))


async def _call_off(switch: StopSwitch, transport: ConnectingTransport) -> None:
    """Have no connection waited for once the switch is thrown."""
    await switch.thrown()
    transport.call_off()


def _lane(
    config: Config, transport: Transport, admission: Admission, switch: StopSwitch, tally: Tally
) -> Lane:
    return Lane(
        transport=transport,
        admission=admission,
        retry=RetryPolicy(
            attempts_max=config.retry.attempts_max,
            budget_share=config.retry.budget_share,
            rng=random.Random(),  # noqa: S311 - jitter is no secret
        ),
        switch=switch,
        tally=tally,
    )
