"""A connection of the emulator on a real socket, with an application that echoes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.emulator.conditions.weather import FAIR, Fate
from worker.emulator.http.connection import Connection, Handler
from worker.emulator.http.message import Answer, Request

GET = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def echo(request: Request) -> tuple[Answer, Fate, float]:
    """Answer with method, target and body; the later of /slow's neighbours must wait for it."""
    content = f"<{request.method} {request.target} {len(request.body)}>".encode()
    return Answer(status=200, content=content), FAIR, 0.02 if request.target == "/slow" else 0.0


def telling(asked: asyncio.Event) -> Handler:
    """Return an echo that tells when it is asked."""

    def handler(request: Request) -> tuple[Answer, Fate, float]:
        asked.set()
        return echo(request)

    return handler


@asynccontextmanager
async def served(
    handler: Handler = echo, keep_alive_s: float = 60.0
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter, set[Connection]]]:
    connections: set[Connection] = set()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(handler, connections, keep_alive_s=keep_alive_s), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            yield reader, writer, connections
    finally:
        writer.close()
        server.close()
        for connection in list(connections):
            connection.abort()
            await connection.lost.wait()


async def exchange(*pieces: bytes) -> bytes:
    """Send the pieces, each in a packet of its own, and return all that comes until the end."""
    async with served() as (reader, writer, _):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()
