"""A service on loopback that is told byte by byte what to do: for what HTTP allows, and worse.

It runs inside the test's own event loop, so that a test knows what has happened and what has not.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from worker.transport._http1 import Connection
from worker.transport._pool import Pool

# Each test of a module with these marks runs on every event loop and transport there is.
EVERY_NETWORK = [pytest.mark.every_loop, pytest.mark.usefixtures("with_and_without_aiofastnet")]
HOST = "127.0.0.1"
TIMEOUT_S = 20.0  # of what must happen: only a failing test waits for it
SHORT_S = 0.3  # of what must not
CLOSES = b"Connection: close\r\n"


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire."""

    line: str
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Peer:
    """The server's end of one connection."""

    number: int  # from 0, in the order of connecting
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: list[Request]

    async def request(self) -> Request:
        """Read a whole request; raise IncompleteReadError when the client is gone."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = head[:-4].split("\r\n")
        headers = [(name, value) for name, _, value in (each.partition(": ") for each in lines)]
        length = next(int(value) for name, value in headers if name.lower() == "content-length")
        request = Request(line, headers, await self.reader.readexactly(length))
        self.received.append(request)
        return request

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


@dataclass
class WiredService:
    """A running service."""

    port: int
    host: str = HOST
    received: list[Request] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"


@asynccontextmanager
async def wired(
    talk: Talk, *, tls: ssl.SSLContext | None = None, host: str = HOST, port: int = 0
) -> AsyncIterator[WiredService]:
    """Serve: `talk` is called for each connection, which ends when it returns.

    What `talk` raises fails the test, but for a client that went away. So does a socket or a task
    that is left at the end.
    """
    async with no_socket_left(), serving_late(talk, tls=tls, host=host, port=port) as service:
        yield service


@asynccontextmanager
async def serving_late(
    talk: Talk, *, tls: ssl.SSLContext | None = None, host: str = HOST, port: int = 0
) -> AsyncIterator[WiredService]:
    """Serve like `wired`, but end before the clients do: sockets may be left."""
    service = WiredService(port=0, host=host)
    tasks: set[asyncio.Task[None]] = set()
    bugs: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer = Peer(len(service.peers), reader, writer, service.received)
        service.peers.append(peer)
        try:
            await talk(peer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            peer.drop()
        except BaseException as bug:  # noqa: BLE001 - raised again below, where pytest sees it
            bugs.append(bug)
            peer.drop()
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, host, port, ssl=tls)
    service.port = server.sockets[0].getsockname()[1]
    try:
        yield service
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), TIMEOUT_S)
        await server.wait_closed()
    if bugs:
        raise bugs[0]


@asynccontextmanager
async def pool_of(
    service: WiredService | tuple[str, int],
    *,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[Pool]:
    """Open a pool, and check that nothing of it is left when it closes."""
    host, port = service if isinstance(service, tuple) else (service.host, service.port)
    async with Pool(host, port, tls=tls, timeout_s=timeout_s) as pool:
        yield pool
    assert not pool._connections
    assert not pool._addresses._connections
    assert pool._sweeper is not None
    assert pool._sweeper.cancelled()


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


def request(body: bytes = b"{}") -> bytes:
    """Return a request that a test tells from others by its body."""
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def reply(
    body: bytes = b"{}", *, status: bytes = b"200 OK", headers: bytes = b"", version: bytes = b"1.1"
) -> bytes:
    """Return an answer of a known length; `headers` are whole lines."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/%b %b\r\n%b%b\r\n%b" % (version, status, headers, length, body)


def chunked(*chunks: bytes, trailers: bytes = b"", extension: bytes = b"") -> bytes:
    """Return an answer in chunks."""
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(each), extension, each) for each in chunks)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + body + b"0\r\n" + trailers + b"\r\n"


def answering(*replies: bytes) -> Talk:
    """Return a talk of one answer to each request, then the end; the last is repeated."""

    async def talk(peer: Peer) -> None:
        for each in replies:
            await peer.request()
            await peer.send(each)
        while True:
            await peer.request()
            await peer.send(replies[-1])

    return talk


def echoing(closing_after: int | None = None) -> Talk:
    """Return a talk that answers each request with its own body."""

    async def talk(peer: Peer) -> None:
        count = 0
        while closing_after is None or count < closing_after:
            asked = await peer.request()
            await peer.send(reply(asked.body))
            count += 1

    return talk


def connections(pool: Pool) -> list[Connection]:
    """Return a pool's connections, busy and idle."""
    return list(pool._connections)


async def eventually(is_so: Callable[[], bool]) -> None:
    """Let the event loop turn until something is so that nobody tells."""
    async with asyncio.timeout(TIMEOUT_S):
        while not is_so():  # noqa: ASYNC110 - there is no event for what is looked at from outside
            await asyncio.sleep(0)
