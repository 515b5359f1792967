"""HTTP on real sockets, with an application that answers with what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.emulator.message import BODY_BYTES_MAX, HEAD_BYTES_MAX, Answer, Request
from worker.emulator.weather import FAIR, Fate
from worker.emulator.wire import Connection, Handler

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


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    many = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(300))
    text = await exchange(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + many + LAST)
    targets = [part.split(b" ")[1] for part in text.split(b"<")[1:]]
    assert targets == [b"/slow", *(b"/%d" % number for number in range(300)), b"/last"]


async def test_a_request_may_come_byte_by_byte_and_in_chunks() -> None:
    request = (
        b"POST /recommendations?x=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nTrailer: z\r\n\r\n"
    )
    text = await exchange(*(request[at : at + 1] for at in range(len(request))))
    assert text.endswith(b"<POST /recommendations?x=1 7>")
    assert text.count(b"HTTP/1.1 200 OK") == 1


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async with served() as (reader, writer, _):
        head = b"POST /%b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + head % (b"b", 2))
        assert (await reader.readuntil(b"<GET /slow 0>")).startswith(b"HTTP/1.1 200")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"{}")
        await reader.readuntil(b"<POST /b 2>")
        writer.write(head % (b"c", 1))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"!")
        await reader.readuntil(b"<POST /c 1>")
        writer.write(head % (b"d", BODY_BYTES_MAX + 1))
        assert (await reader.read()).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"GET /" + b"a" * HEAD_BYTES_MAX + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * (HEAD_BYTES_MAX + 1), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES_MAX + b"\r\n\r\n", 431),
    ],
)
async def test_what_is_no_request_is_refused_and_ends_the_connection(
    request_: bytes, status: int
) -> None:
    text = await exchange(request_)
    head, _, body = text.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"x-amzn-RequestId: " in head
    assert b"x-amzn-ErrorType: " in head
    assert list(json.loads(body)) == ["message"]


async def test_earlier_requests_are_answered_before_the_refusal() -> None:
    text = await exchange(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"nonsense\r\n\r\n")
    assert text.index(b"/slow") < text.index(b"/a") < text.index(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /a HTTP/1.0\r\n\r\n",
        b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nPRI",
        GET.replace(b"Host", b"Connection: close\r\nHost") + GET,
    ],
)
async def test_other_protocols_and_closing_clients_get_one_answer(request_: bytes) -> None:
    text = await exchange(request_)
    assert text.count(b"HTTP/1.1 200") == 1
    assert b"connection: close" in text
    assert text.endswith(b"<GET /a 0>")


async def test_a_client_that_sends_its_end_still_gets_its_answer() -> None:
    async with served() as (reader, writer, _):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        assert (await reader.read()).endswith(b"<GET /slow 0>")


async def test_the_answer_to_head_has_no_body() -> None:
    text = await exchange(GET.replace(b"GET", b"HEAD") + LAST)
    first, second, rest = text.split(b"\r\n\r\n")
    assert b"content-length: 11" in first
    assert second.startswith(b"HTTP/1.1 200")
    assert rest == b"<GET /last 0>"


async def test_idle_connections_and_halves_of_requests_are_closed() -> None:
    for sent in (b"", GET[:-3]):
        async with served(keep_alive_s=0.05) as (reader, writer, _):
            writer.write(sent)
            assert await reader.read() == b""


async def test_the_last_answer_before_the_end_closes_the_connection() -> None:
    asked = asyncio.Event()
    async with served(telling(asked)) as (reader, writer, connections):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        (connection,) = connections
        connection.finish()
        text = await reader.read()
        assert b"connection: close" in text
        assert text.endswith(b"<GET /slow 0>")


async def test_a_client_that_goes_away_is_forgotten() -> None:
    asked = asyncio.Event()
    async with served(telling(asked)) as (_, writer, connections):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await asked.wait()
        (connection,) = connections
        writer.transport.abort()
        await connection.lost.wait()
    assert not connections


@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from([GET, LAST, b"\r\n", GET[:9]])))
def test_whatever_comes_the_connection_survives_or_ends_in_order(pieces: list[bytes]) -> None:
    async def feed() -> bytes:
        transport = Mock(asyncio.Transport)
        transport.is_closing.return_value = False
        transport.get_extra_info.return_value = ("127.0.0.1", 1)
        connection = Connection(echo, set(), keep_alive_s=60)
        connection.connection_made(transport)
        for piece in pieces:
            connection.data_received(piece)
        for _ in range(2 * len(pieces) + 2):
            await asyncio.sleep(0)
        connection.connection_lost(None)
        return b"".join(call.args[0] for call in transport.write.call_args_list)

    sent = asyncio.run(feed())
    assert not sent or sent.startswith(b"HTTP/1.1 ")
    assert sent.count(b"HTTP/1.1 400") <= 1
