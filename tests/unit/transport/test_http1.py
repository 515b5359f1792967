"""One HTTP/1.1 exchange over a real socket: how an answer ends, and which bytes are one."""

from __future__ import annotations

import pytest
from support.services import Peer, no_socket_left, wired
from unit.transport.messages import BODY, KEPT_ALIVE, WHOLE, answering, chunked, request
from unit.transport.transports import EVERY_NETWORK, pool_of

from worker.model import Failure
from worker.transport._http1 import ANSWER_BYTES_MAX, HEAD_BYTES_MAX, Reply

pytestmark = EVERY_NETWORK

BUFFERS_BYTES_MAX = 16 << 20  # of both sockets, and of the server
ENDLESS = b"x" * (1 << 16)


@pytest.mark.parametrize("name", WHOLE)
async def test_a_whole_answer_is_read(name: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(WHOLE[name])
        if "until-the-end" not in name:
            await peer.until_gone()

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        answer = await pool.exchange(request())
        assert isinstance(answer, Reply)
        assert (answer.status, answer.body) == (200, BODY)
        assert answer.header(b"x-amzn-requestid") is None  # a trailer is no header
        assert answer.header(b"link") is None  # nor is that of an early hint
        assert len(pool._idle) == (name in KEPT_ALIVE)


@pytest.mark.parametrize("name", KEPT_ALIVE)
async def test_a_connection_that_is_kept_alive_reads_every_answer_alike(name: str) -> None:
    async with wired(answering(WHOLE[name])) as service, pool_of(service) as pool:
        answers = [await pool.exchange(request()) for _ in range(3)]
    assert isinstance(answers[0], Reply)
    assert answers == [answers[0]] * 3
    assert len(service.peers) == 1


BROKEN = {
    "no-http": b"SSH-2.0-OpenSSH\r\n",
    "a-request": b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    "http-2": b"HTTP/2 200\r\n\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    "no-number": b"HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n{}",
    "a-negative-length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
    "length-and-chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + chunked(b"{}")[17:],
    "no-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    "a-chunk-that-is-longer": chunked(b"{}")[:-9] + b"}}}\r\n0\r\n\r\n",
    "no-colon": b"HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
    "a-nul": b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
    "an-upgrade": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n\0",
    "a-transfer-encoding-of-its-own": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
}


@pytest.mark.parametrize("name", BROKEN)
async def test_what_is_not_http_fails_the_request_and_ends_the_connection(name: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(BROKEN[name])

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        for _ in range(2):
            failure = await pool.exchange(request())
            assert isinstance(failure, Failure)
            assert failure.code == "ConnectionLost"
            assert not pool._idle
        assert len(service.peers) == 2


TOO_MUCH = {
    "head-line": (b"HTTP/1.1 200 OK\r\nA: ", ENDLESS),
    "head": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 9999),
    "interim-answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2999),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n" * 9999),
    "trailer": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ", ENDLESS),
    "chunk-extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=", ENDLESS),
    "body": (b"HTTP/1.1 200 OK\r\n\r\n", ENDLESS),
    "body-in-chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"%x\r\n%b\r\n" % (len(ENDLESS), ENDLESS),
    ),
    "body-of-a-length": (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", ENDLESS),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_an_answer_without_end_is_given_up_within_bounds(name: str) -> None:
    first, again = TOO_MUCH[name]
    sent = 0

    async def talk(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(first)
        while True:
            await peer.send(again)
            sent += len(again)

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        failure = await pool.exchange(request())
        assert isinstance(failure, Failure)
        assert "over" in failure.message
        assert not pool._idle
    assert sent < (ANSWER_BYTES_MAX if "head" not in name else HEAD_BYTES_MAX) + BUFFERS_BYTES_MAX
