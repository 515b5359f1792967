"""A service on loopback that is told what to do with each connection: what HTTP allows, and worse.

`wired` serves in the test's own event loop, so that the test knows what has happened and what has
not; `serving_talk` beside a test that has none; scripts.py says what is done answer by answer. The
service knows nothing of the worker's code, and keeps what it was sent.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

HOST = "127.0.0.1"
TIMEOUT_S = 20.0  # of what must happen: only a failing test waits for it


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire."""

    number: int  # from 0, in order of arrival
    line: str
    header_list: list[tuple[str, str]]
    body: bytes

    @property
    def path(self) -> str:
        """What is asked for."""
        return self.line.split(" ")[1]

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name; none is repeated, as a rule."""
        return dict(self.header_list)

    @property
    def members(self) -> dict[str, Any]:
        """The members of its JSON."""
        return dict(json.loads(self.body))


@dataclass
class Peer:
    """The server's end of one connection."""

    number: int  # from 0, in the order of connecting
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    service: Service

    async def request(self) -> Request:
        """Read a whole request; raise IncompleteReadError when the client is gone."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head[:-4].split("\r\n")
        headers = [(name, value) for name, _, value in (each.partition(": ") for each in lines)]
        lengths = [int(value) for name, value in headers if name.lower() == "content-length"]
        body = await self.reader.readexactly(lengths[0] if lengths else 0)
        return self.service.note(line, headers, body)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def until_gone(self) -> bytes:
        """Wait for the client's end; return what it sent before."""
        with suppress(ConnectionError):
            return await self.reader.read()
        return b""

    def send_at_once(self, data: bytes) -> None:
        """Send past the event loop, which has then not read anything in between."""
        os.write(self.writer.get_extra_info("socket").fileno(), data)

    def shut(self, how: int) -> None:
        """Shut one direction: socket.SHUT_RD or SHUT_WR."""
        with socket.socket(fileno=os.dup(self.writer.get_extra_info("socket").fileno())) as copy:
            copy.shutdown(how)

    async def until_closed(self) -> None:
        """Wait until this end is closed, as `talk` does when it returns."""
        with suppress(OSError):
            await self.writer.wait_closed()

    def drop(self) -> None:
        """End without a word: whatever is under way is lost."""
        self.writer.transport.abort()


Talk = Callable[[Peer], Awaitable[None]]


class Service:
    """A running service, and what it was sent."""

    def __init__(self, host: str, *, is_tls: bool) -> None:
        self.host = host
        self.port = 0
        self.received: list[Request] = []
        self.peers: list[Peer] = []
        self.bugs: list[BaseException] = []  # of talks
        self.stop: Callable[[], None] = _not_from_here
        self._scheme = "https" if is_tls else "http"
        self._changed = threading.Condition()  # notified of each request, and each client's end
        self._serving = 0  # clients that are connected
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        """Its address."""
        return f"{self._scheme}://{self.host}:{self.port}"

    async def open(self, talk: Talk, *, tls: ssl.SSLContext | None, port: int) -> None:
        """Listen; on a free port if `port` is 0."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._tasks.add(_this_task())
            peer = Peer(len(self.peers), reader, writer, self)
            self.peers.append(peer)
            self._count_clients(1)
            try:
                await talk(peer)
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                peer.drop()
            except BaseException as bug:  # noqa: BLE001 - raised again where pytest sees it
                self.bugs.append(bug)
                peer.drop()
            finally:
                writer.close()
                with suppress(OSError, asyncio.CancelledError):
                    await writer.wait_closed()
                self._count_clients(-1)

        self._server = await asyncio.start_server(serve, self.host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and cut off what goes on."""
        self._server.close()
        await asyncio.sleep(0)  # a connection that was just accepted begins to be served
        for task in self._tasks:
            task.cancel()
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()

    def note(self, line: str, headers: list[tuple[str, str]], body: bytes) -> Request:
        """Keep what a request was."""
        with self._changed:
            request = Request(len(self.received), line, headers, body)
            self.received.append(request)
            self._changed.notify_all()
        return request

    def _count_clients(self, more: int) -> None:
        with self._changed:
            self._serving += more
            self._changed.notify_all()

    def wait_until_clients_are_gone(self) -> None:
        """Return when all that clients have sent is received, after they have ended.

        What a process has written when it is killed is still on its way.
        """
        with self._changed:
            assert self._changed.wait_for(lambda: not self._serving, TIMEOUT_S)

    def wait_for_calls(self, count: int, *, timeout_s: float = 30.0) -> None:
        """Return when so many requests have been received."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, timeout_s)


@contextmanager
def serving_talk(
    talk: Talk, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Service]:
    """Serve a talk beside a test that has no event loop.

    `stop` of what is yielded ends it before its time: nobody listens any more, calls are cut off.
    """
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(served(talk, tls=tls, port=port)) as service,
    ):
        service.stop = lambda: portal.call(service.close)
        yield service


@asynccontextmanager
async def wired(
    talk: Talk, *, tls: ssl.SSLContext | None = None, host: str = HOST, port: int = 0
) -> AsyncIterator[Service]:
    """Serve in the test's own loop; a socket or a task that is left at the end fails the test."""
    async with no_socket_left(), served(talk, tls=tls, host=host, port=port) as service:
        yield service


@asynccontextmanager
async def served(
    talk: Talk, *, tls: ssl.SSLContext | None = None, host: str = HOST, port: int = 0
) -> AsyncIterator[Service]:
    """Serve: `talk` is called for each connection, which ends when it returns.

    What `talk` raises fails the test, but for a client that went away. Sockets of clients may be
    left.
    """
    service = Service(host, is_tls=tls is not None)
    await service.open(talk, tls=tls, port=port)
    try:
        yield service
    except BaseException as error:
        for bug in service.bugs:
            error.add_note(f"the service failed, too: {bug!r}")
        raise
    finally:
        await service.close()
    if service.bugs:
        raise service.bugs[0]


def _not_from_here() -> None:
    raise AssertionError("only what serves beside a test can be stopped by it")


def _this_task() -> asyncio.Task[None]:
    task = asyncio.current_task()
    assert task is not None
    return task


@asynccontextmanager
async def no_socket_left() -> AsyncIterator[None]:
    """Check that no socket stays open, no task runs on, and no callback failed."""
    sockets, tasks = _sockets(), asyncio.all_tasks()
    bugs: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, bug: bugs.append(bug))
    yield
    assert not bugs
    await eventually(lambda: _sockets() <= sockets and asyncio.all_tasks() <= tasks)


def _sockets() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:"):
                found.add(target)
    return found


@contextmanager
def deaf_address() -> Iterator[tuple[str, int]]:
    """Yield an address where connecting hangs: its queue of new connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()


async def eventually(is_so: Callable[[], bool]) -> None:
    """Let the event loop turn until something is so that nobody tells."""
    async with asyncio.timeout(TIMEOUT_S):
        while not is_so():  # noqa: ASYNC110 - there is no event for what is looked at from outside
            await asyncio.sleep(0)
