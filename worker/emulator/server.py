"""The emulator as a server: loads, trains, listens, and leaves when told to."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import errno
import ipaddress
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import anyio

from worker.emulator.api.answer import Answers
from worker.emulator.api.app import Application
from worker.emulator.api.control import Control
from worker.emulator.api.updates import Updates
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.conditions.weather import Weather
from worker.emulator.data.datasets import load
from worker.emulator.errors import EmulatorError
from worker.emulator.http.connection import Connection
from worker.emulator.http.signature import Signatures
from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings

_log = logging.getLogger("worker.emulator")

KEEP_ALIVE_S: Final = 120
"""How long an idle connection stays open: longer than clients keep theirs."""

_SHUTDOWN_S: Final = 1
_BACKLOG: Final = 2048


async def serve(
    settings: EmulatorSettings,
    *,
    on_ready: Callable[[str], None],
    stop: anyio.Event | None = None,
) -> None:
    """Serve until `stop` is set or the task is cancelled; then finish within about two seconds.

    Calls `on_ready` once, with an address such as http://127.0.0.1:8765, when requests are
    answered; connections made while it trains wait. Answers that are under way at the end get a
    second to finish, idle connections are closed. Installs no signal handlers. Runs on asyncio.
    Raises EmulatorError when the data or the address cannot be used.
    """
    stop = stop or anyio.Event()
    with _bound(settings.host, settings.port, signed=bool(settings.credentials)) as listener:
        app = await _built(settings, stop)
        if app is None:
            return
        async with _accepting(app, listener):
            on_ready(_address(settings.host, listener))
            await stop.wait()


async def _built(settings: EmulatorSettings, stop: anyio.Event) -> Application | None:
    """Return the trained application, or None if `stop` is set before it is ready.

    Trains in a daemon thread, the only kind that a process can leave without waiting for it.
    """
    outcome: concurrent.futures.Future[Application] = concurrent.futures.Future()
    outcome.set_running_or_notify_cancel()  # from now on nobody can cancel it under the thread

    def work() -> None:
        try:
            outcome.set_result(_build(settings))
        except BaseException as error:  # noqa: BLE001 - raised again where the outcome is read
            outcome.set_exception(error)

    built = asyncio.wrap_future(outcome)
    stopped = asyncio.ensure_future(stop.wait())
    threading.Thread(target=work, name="emulator-training", daemon=True).start()
    try:
        either: set[asyncio.Future[Any]] = {built, stopped}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return built.result() if built.done() else None
    finally:
        built.cancel()
        stopped.cancel()


def _build(settings: EmulatorSettings) -> Application:
    data = load(settings)
    resources = Resources(settings)
    answers = Answers(settings, data, resources)
    _log.info(
        "trained on %d interactions of %d users with a catalogue of %d items",
        len(data.user_codes),
        len(data.user_ids),
        len(data.item_ids),
    )
    if data.actions_done is not None:
        _log.info(
            "%d of %d actions have enough action interactions for a score",
            answers.actions_scored,
            len(data.action_ids),
        )
    return assembled(settings, answers, resources)


def assembled(
    settings: EmulatorSettings,
    answers: Answers,
    resources: Resources,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Application:
    """Return the application over trained answers."""
    now_s = clock()
    everything = [*resources.campaigns, *resources.recommenders]
    minimums = {each.arn: each.requests_per_s_min for each in everything}
    capacity = Capacity(settings.capacity, minimums, now_s)
    updates = Updates(capacity, resources)
    return Application(
        answers,
        Control(resources, updates=updates),
        signatures=Signatures(settings.credentials, settings.region),
        capacity=capacity,
        updates=updates,
        weather=Weather(settings.weather, now_s),
        arns=frozenset(minimums),
        clock=clock,
    )


@contextlib.asynccontextmanager
async def _accepting(app: Application, listener: socket.socket) -> AsyncIterator[None]:
    """Answer what comes through the listener; at the end give the answers under way a second."""
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(app.handle, connections, keep_alive_s=KEEP_ALIVE_S),
        sock=listener,
        backlog=_BACKLOG,
    )
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            server.close()
            await _finished(connections)


async def _finished(connections: set[Connection]) -> None:
    await asyncio.sleep(0)  # connections that have just been accepted become known
    last = list(connections)
    for connection in last:
        connection.finish()
    with anyio.move_on_after(_SHUTDOWN_S):
        for connection in last:
            await connection.lost.wait()
    for connection in last:
        connection.abort()
        await connection.lost.wait()


@contextlib.contextmanager
def _bound(host: str, port: int, *, signed: bool) -> Iterator[socket.socket]:
    """Yield a listening socket's beginnings: bound, so that a port in use is found out at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except UnicodeError as error:  # a name that IDNA refuses
        raise _cannot_listen(host, port, OSError(errno.EINVAL, str(error))) from error
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        if not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
            _log.warning(
                "THE EMULATOR LISTENS ON %s, NOT ON LOOPBACK: whoever reaches this machine can "
                "call it%s",
                address[0],
                "" if signed else ", and it asks nobody for credentials",
            )
        yield listener


def _cannot_listen(host: str, port: int, error: OSError) -> EmulatorError:
    if error.errno in {errno.EADDRINUSE, errno.EACCES}:
        hint = f"free port {port}, or set emulator.port to another one (0 picks a free one)"
    else:
        hint = "set emulator.host to an address of this machine, such as 127.0.0.1"
    return EmulatorError(f"cannot listen on {host}:{port}: {error.strerror or error}", hint=hint)


def _address(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"
