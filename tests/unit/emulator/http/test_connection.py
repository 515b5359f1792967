"""HTTP on real sockets, with an application that answers with what it was asked."""

from __future__ import annotations

import asyncio
import json
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.emulator.http.sockets import GET, LAST, echo, exchange, served, telling

from worker.emulator.conditions.weather import FAIR, Fate
from worker.emulator.http.connection import Connection
from worker.emulator.http.message import BODY_BYTES_MAX, HEAD_BYTES_MAX, Answer, Request


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
        (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES_MAX + b"\r\nY: b\r\n\r\n" + LAST, 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # without a Host: RFC 9112, 3.2
        (b"GET / HTTP/1.1\r\nHost: localhost:80\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x@localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", 400),
        (b"GET http://x@localhost/ HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET http://localhost/ HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (GET.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),  # HTTP/0.9
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


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        (b"/a?b=c", b"other:1", "/a?b=c other:1"),
        (b"http://name:80/a?b=c", b"other:1", "/a?b=c name:80"),
        (b"HTTP://[::1]:80/a//b?c", b"other:1", "/a//b?c [::1]:80"),
        (b"https://name", b"other:1", "/ name"),
        (b"http://name?a=http://b/", b"other:1", "/?a=http://b/ name"),
        (b"http:///a", b"other:1", "http:///a other:1"),
        (b"ftp://name/a", b"other:1", "ftp://name/a other:1"),
        (b"*", b" \t\t", "* "),
    ],
)
async def test_an_absolute_target_has_path_and_host(
    target: bytes, host: bytes, expected: str
) -> None:
    def tell(request: Request) -> tuple[Answer, Fate, float]:
        content = f"{request.target} {request.headers['host']}"
        return Answer(status=200, content=content.encode()), FAIR, 0.0

    request = b"OPTIONS %b HTTP/1.1\r\nConnection: close\r\nHost: %b\r\n\r\n" % (target, host)
    async with served(tell) as (reader, writer, _):
        writer.write(request)
        _, _, body = (await reader.read()).partition(b"\r\n\r\n")
    assert body.decode() == expected


async def test_spaces_round_a_value_are_none_of_it() -> None:
    """RFC 9110, 5.5: a client with a space behind 100-continue waits for it, too."""
    async with served() as (reader, writer, _):
        writer.write(
            b"POST /b HTTP/1.1\r\nHost: x \r\neXPECT:\t 100-Continue \t\r\n"
            b"Content-Length: 2 \r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_equal_names_are_one_header_and_trailers_are_none() -> None:
    found: list[dict[str, str]] = []

    def tell(request: Request) -> tuple[Answer, Fate, float]:
        found.append(request.headers)
        return echo(request)

    async with served(tell) as (reader, writer, _):
        writer.write(
            b"POST /a HTTP/1.1\r\nhOST: x\r\nA: 1 \r\na: \xc3\xa0\r\nConnection: close\r\n"
            b"Transfer-Encoding: Chunked\r\n\r\n1\r\na\r\n0\r\nHost: y\r\nB: 3\r\n\r\n"
        )
        assert (await reader.read()).endswith(b"<POST /a 1>")
    assert found == [
        {"host": "x", "a": "1,\xc3\xa0", "connection": "close", "transfer-encoding": "Chunked"}
    ]


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
