"""`loadtest`: claims the folder, makes the calls of all stages or of a search, and sums up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime

import anyio
from anyio import to_thread

from worker.aws.access import Access
from worker.aws.login import logged_in
from worker.commands.advice import reason
from worker.commands.loadtest_result import LoadTestResult
from worker.config.loadtest import Loadtest
from worker.errors import ConfigError, OutputError
from worker.job import Job
from worker.loadtest import result as results
from worker.loadtest.attempts_file import ATTEMPTS_NAME, AttemptsFile
from worker.loadtest.bodies import Users, cycled, sampled
from worker.loadtest.claim import REPORT_NAME, claim, write_result
from worker.loadtest.generator import Generator
from worker.loadtest.measure import Kinds
from worker.loadtest.observer import Observer, check_service
from worker.loadtest.result import LoadResult
from worker.loadtest.session import Session
from worker.loadtest.timeline_file import TIMELINE_NAME, TimelineFile
from worker.loadtest.view import LoadView
from worker.report.loadtest.make import load_report
from worker.runtime import log
from worker.runtime.clock import MonotonicClock, RunningClock
from worker.runtime.descriptors import fitting
from worker.runtime.stop import StopSwitch, watch_deadline
from worker.store.base import Store
from worker.telemetry.cost import calls_max
from worker.transport.choose import configured_transport
from worker.transport.wire import WireTransport


def settings_of(job: Job) -> Loadtest:
    """Return the section [loadtest]; raise ConfigError when there is none."""
    if job.config.loadtest is None:
        raise ConfigError(
            "the config has no section [loadtest]",
            hint="say how much load, for example --set "
            "'loadtest.stages=[{ tps = 100, seconds = 60 }]'; configs/loadtest.toml shows more",
        )
    return job.config.loadtest


async def loadtest(
    job: Job,
    store: Store,
    access: Access,
    view: LoadView,
    switch: StopSwitch,
    *,
    overwrite: bool = False,
) -> LoadTestResult:
    """Make the test and return what it came to: the content of `_loadtest.json`.

    `switch` and the caps of [stop] end it early, with what there is so far. Raises RefusedError or
    StoppedError when the service takes no call at all, ConflictError, InputError or OutputError as
    their names say.
    """
    settings = settings_of(job)
    began = results.beginning(job.config, started_at=_now())
    with store.claim():
        claim(store, began, overwrite=overwrite)
        with _end_noted(store, began):
            made = await _make_calls(settings, job, store, access, view, switch)
            return await to_thread.run_sync(_conclude, store, began, *made, job)


@contextmanager
def _end_noted(store: Store, began: LoadResult) -> Iterator[None]:
    """Have the result and the report of a test without a verdict say what ended it."""
    try:
        yield
    except Exception as error:
        with suppress(OutputError):  # it may be the very reason
            write_result(store, results.aborted(began, reason(error), ended_at=_now()))
            _write_report(store)
        raise


async def _make_calls(
    settings: Loadtest,
    job: Job,
    store: Store,
    access: Access,
    view: LoadView,
    switch: StopSwitch,
) -> tuple[Session, Observer, AttemptsFile | None]:
    """Make the test's calls; return what knows of them."""
    in_flight_max = fitting(settings.in_flight_max, key="loadtest.in_flight_max")
    settings = settings.model_copy(update={"in_flight_max": in_flight_max})
    config = job.config
    async with AsyncExitStack() as stack:
        timeline = stack.enter_context(closing(TimelineFile(store)))
        clock = RunningClock()
        stack.callback(clock.stop)
        steady = MonotonicClock()  # calls are due whether this process runs or not
        login = await stack.enter_async_context(logged_in(access, config.stop, switch, steady))
        transport = await stack.enter_async_context(
            configured_transport(
                config, login, switch, clock, connections_max=settings.in_flight_max
            )
        )
        group = await stack.enter_async_context(anyio.create_task_group())
        group.start_soon(clock.watch)
        group.start_soon(login.run)
        users = _users(settings, job)
        group.start_soon(users.run)
        await switch.wait(users.ready())
        if isinstance(transport, WireTransport):
            await switch.wait(transport.warm_up(_connections_at_first(settings)))
        kinds = Kinds()
        generator = Generator(
            transport,
            users,
            kinds,
            in_flight_max=settings.in_flight_max,
            calls_max=calls_max(config),
            clock=steady,
        )
        stack.push_async_callback(generator.close)
        begun_s = steady.wall_us() / 1e6 - generator.elapsed_s
        file = _attempts_file(settings, store, kinds, begun_s=begun_s)
        observer = Observer(generator, kinds, timeline=timeline, attempts_file=file)
        session = Session(settings, generator, observer, switch)
        group.start_soon(_stop_calls, switch, generator)
        group.start_soon(watch_deadline, config.stop.deadline, switch, steady)
        group.start_soon(observer.run, session.abort_if_broken)
        group.start_soon(view.run, observer.status)
        log.info("start", target=config.target.arn.split(":", 5)[5], **session.plan())
        await session.run()
        group.cancel_scope.cancel()
    if session.stopped is None:
        check_service(observer.status.total, generator.rejections, at_end=True)
    return session, observer, file


async def _stop_calls(switch: StopSwitch, generator: Generator) -> None:
    """Have no further call made once the switch is thrown."""
    await switch.thrown()
    generator.stop()


def _users(settings: Loadtest, job: Job) -> Users:
    is_sample = settings.order == "sample"
    return Users(sampled(job, seed=settings.seed) if is_sample else cycled(job))


# Of the first calls: the handshakes of all of them at once would make them late.
_LATENCY_S_AT_FIRST = 0.05


def _connections_at_first(settings: Loadtest) -> int:
    """Return how many calls may be open soon after the start."""
    if settings.search:
        tps = settings.search.tps_start
    else:
        first = settings.stages[0]
        tps = 0.0 if first.ramp else first.tps
    return min(settings.in_flight_max, math.ceil(tps * _LATENCY_S_AT_FIRST))


def _attempts_file(
    settings: Loadtest, store: Store, kinds: Kinds, *, begun_s: float
) -> AttemptsFile | None:
    return AttemptsFile(store, kinds, begun_s=begun_s) if settings.attempts_parquet else None


def _conclude(
    store: Store,
    began: LoadResult,
    session: Session,
    observer: Observer,
    file: AttemptsFile | None,
    job: Job,
) -> LoadTestResult:
    files = {"timeline": TIMELINE_NAME}
    if file is not None:
        file.commit()
        files["attempts"] = ATTEMPTS_NAME
    per_1000_usd = job.config.price.per_1000_usd
    conclusion = results.concluded(
        stages=session.stages,
        measures=observer.meter.stages,
        judgement=session.conclusion(per_1000_usd),
        per_1000_usd=per_1000_usd,
        files=files,
    )
    record = results.ended(began, conclusion, ended_at=_now())
    write_result(store, record)
    _write_report(store)
    return LoadTestResult(record=record, conclusion=conclusion)


def _write_report(store: Store) -> None:
    try:
        store.write(REPORT_NAME, load_report(store).encode())
    except Exception as error:  # noqa: BLE001 - what was measured is there; no page is worth it
        log.warning("no report", reason=f"{type(error).__name__}: {error}")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
