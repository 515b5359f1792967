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
from collections.abc import Callable, Iterator
from typing import Any, Final

import anyio
import uvicorn
from starlette.applications import Starlette

from worker.emulator.answer import Answers
from worker.emulator.app import application
from worker.emulator.control import Control
from worker.emulator.data import load
from worker.emulator.errors import EmulatorError
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
    with _bound(settings.host, settings.port) as listener:
        app = await _built(settings, stop)
        if app is None:
            return
        server = _Server(app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(server.run_until_told, listener)
            try:
                await server.accepting.wait()
                on_ready(_address(settings.host, listener))
                await stop.wait()
            finally:
                server.should_exit = True


async def _built(settings: EmulatorSettings, stop: anyio.Event) -> Starlette | None:
    """Return the trained application, or None if `stop` is set before it is ready.

    Trains in a daemon thread, the only kind that a process can leave without waiting for it.
    """
    outcome: concurrent.futures.Future[Starlette] = concurrent.futures.Future()
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


def _build(settings: EmulatorSettings) -> Starlette:
    data = load(settings)
    resources = Resources(settings)
    answers = Answers(settings, data, resources)
    _log.info(
        "trained on %d interactions of %d users with a catalogue of %d items",
        len(data.user_codes),
        len(data.user_ids),
        len(data.item_ids),
    )
    return application(answers, Control(resources))


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which tells when it accepts connections."""

    def __init__(self, app: Starlette) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                log_config=None,
                log_level=logging.WARNING,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=_SHUTDOWN_S,
                backlog=_BACKLOG,
            )
        )
        self.accepting = anyio.Event()

    async def run_until_told(self, listener: socket.socket) -> None:
        """Serve until `should_exit`; a cancelled task group waits for the orderly end."""
        with anyio.CancelScope(shield=True):
            await self.serve(sockets=[listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the event loop."""
        yield


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a listening socket's beginnings: bound, so that a port in use is found out at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
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
                "call it, and it asks nobody for credentials",
                address[0],
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
