"""A connection is used again only if nothing is left over: answers find their own requests."""

from __future__ import annotations

import asyncio
import socket

import pytest
from support.services import TIMEOUT_S, Peer, eventually, no_socket_left, wired
from unit.transport.messages import CLOSES, answering, echoing, reply, request
from unit.transport.transports import EVERY_NETWORK, connections, pool_of

from worker.transport._http1 import Reply
from worker.transport._pool import IDLE_S_MAX, Pool

pytestmark = EVERY_NETWORK

STRAY = reply(b"stray")
TURNS_MAX = 100_000


async def bodies(pool: Pool, *asked: bytes) -> list[bytes | str]:
    """Make exchanges one after the other; return each one's body, or code."""
    results = [await pool.exchange(request(each)) for each in asked]
    return [each.body if isinstance(each, Reply) else each.code for each in results]


def until_it_is_there(pool: Pool) -> None:
    """Wait outside the event loop until the only connection has something that nobody has read."""
    (connection,) = connections(pool)
    for _ in range(TURNS_MAX):
        if not connection.is_usable:
            break


async def test_one_connection_serves_requests_in_turn() -> None:
    async with no_socket_left(), wired(echoing()) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1", b"2", b"3") == [b"1", b"2", b"3"]
        assert len(service.peers) == 1


async def test_requests_at_the_same_time_have_a_connection_each_and_then_share_them() -> None:
    asked = [b"%d" % number for number in range(20)]
    async with no_socket_left(), wired(echoing()) as service, pool_of(service) as pool:
        for _ in range(3):
            answers = await asyncio.gather(*(bodies(pool, each) for each in asked))
            assert answers == [[each] for each in asked]
        assert len(service.peers) == len(pool._idle) == len(asked)


@pytest.mark.parametrize(
    "stray",
    [STRAY, STRAY[:1], b"\x00", b"HTTP/1.1 408 Request Timeout\r\n\r\n", STRAY * 3],
    ids=["answer", "part-of-one", "garbage", "408", "answers"],
)
@pytest.mark.parametrize("when", ["in-one-packet", "while-idle", "unread"])
async def test_bytes_that_nobody_asked_for_are_never_an_answer(stray: bytes, when: str) -> None:
    is_noticed = asyncio.Event()

    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        is_odd = peer.number == 0 and when == "in-one-packet"
        await peer.send(reply(asked.body) + (stray if is_odd else b""))
        await peer.until_gone()
        is_noticed.set()

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1") == [b"1"]
        if when != "in-one-packet":
            service.peers[0].send_at_once(stray)
        if when == "unread":
            until_it_is_there(pool)
        else:
            await asyncio.wait_for(is_noticed.wait(), TIMEOUT_S)
        assert await bodies(pool, b"2") == [b"2"]
        assert len(service.peers) == 2


async def test_a_second_answer_that_comes_before_the_first_is_taken_is_nobodys() -> None:
    """Both are there when the event loop turns to the connection again."""

    async def talk(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            peer.send_at_once(reply(asked.body))
            if peer.number == 0:
                peer.send_at_once(STRAY)

    async with wired(talk) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1", b"2", b"2") == [b"1", b"2", b"2"]


@pytest.mark.parametrize("is_read", [True, False], ids=["noticed", "unread"])
async def test_a_connection_that_the_server_closed_while_idle_costs_no_request(
    *, is_read: bool
) -> None:
    is_noticed = asyncio.Event()

    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        await peer.send(reply(asked.body))
        await peer.until_gone()
        is_noticed.set()

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1") == [b"1"]
        service.peers[0].shut(socket.SHUT_WR)
        if is_read:
            await asyncio.wait_for(is_noticed.wait(), TIMEOUT_S)
        else:
            until_it_is_there(pool)
        assert await bodies(pool, b"2") == [b"2"]
        assert len(service.peers) == 2


@pytest.mark.parametrize("meanwhile", ["stray bytes", "an end", "a cancellation"])
async def test_a_request_that_is_not_written_yet_is_neither_lost_nor_answered(
    meanwhile: str,
) -> None:
    async def talk(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            await peer.send(reply(asked.body))

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1") == [b"1"]
        call = asyncio.create_task(pool.exchange(request(b"2")))
        await asyncio.sleep(0)
        (connection,) = connections(pool)
        assert connection._unsent is not None
        if meanwhile == "a cancellation":
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await bodies(pool, b"2") == [b"2"]
        else:
            if meanwhile == "an end":
                service.peers[0].shut(socket.SHUT_WR)
            else:
                service.peers[0].send_at_once(STRAY)
            until_it_is_there(pool)
            answer = await call
            assert isinstance(answer, Reply)
            assert answer.body == b"2"
        assert len(service.peers) == 2


async def test_a_server_that_ends_each_connection_at_once_is_a_failure_not_a_loop() -> None:
    async def talk(peer: Peer) -> None:
        peer.shut(socket.SHUT_RDWR)

    async with wired(talk) as service, pool_of(service) as pool:
        for _ in range(3):
            (failure,) = await bodies(pool, b"1")
            assert failure in ("ConnectionLost", "ConnectFailed")
        assert len(service.peers) == 3


@pytest.mark.parametrize("how", ["said", "dropped", "at-its-end"])
async def test_a_server_that_closes_after_each_answer_loses_none(how: str) -> None:
    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        await peer.send(reply(asked.body, headers=CLOSES if how == "said" else b""))
        if how == "dropped":
            peer.shut(socket.SHUT_RDWR)

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        for number in range(5):
            asked = b"%d" % number
            assert await bodies(pool, asked) == [asked]
            await eventually(lambda: not connections(pool))
        assert len(service.peers) == 5


@pytest.mark.parametrize("sent", [0, 1, 20, 40, -1], ids=lambda sent: f"{sent}-bytes")
@pytest.mark.parametrize("how", ["closed", "reset", "half-closed"])
async def test_a_connection_that_ends_during_a_request_fails_only_that_one(
    sent: int, how: str
) -> None:
    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        if asked.body != b"lost":
            await peer.send(reply(asked.body))
            await talk(peer)
            return
        await peer.send(reply(asked.body)[:sent])
        if how == "reset":
            peer.drop()
        elif how == "half-closed":
            peer.shut(socket.SHUT_WR)
            await peer.until_gone()

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1", b"lost", b"2") == [b"1", "ConnectionLost", b"2"]
        assert len(service.peers) == 2


async def test_an_answer_that_is_early_counts_and_its_connection_is_not_used_again() -> None:
    """The server may have read a part of the request, or none: the rest must not follow."""
    large = b"x" * (64 << 20)  # more than all buffers on the way

    async def talk(peer: Peer) -> None:
        if peer.number == 0:
            await peer.reader.readuntil(b"\r\n\r\n")
            await peer.send(reply(b"too large", status=b"413 Content Too Large"))
            await peer.until_gone()
        else:
            await echoing()(peer)

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        early = await pool.exchange(request(large))
        assert isinstance(early, Reply)
        assert (early.status, early.body) == (413, b"too large")
        assert await bodies(pool, b"2") == [b"2"]
        assert len(service.peers) == 2


async def test_an_answer_of_a_server_that_reads_no_further_counts() -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        peer.shut(socket.SHUT_RD)
        await peer.send(reply(b"1", headers=CLOSES))

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        assert await bodies(pool, b"1", b"1") == [b"1", b"1"]


async def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    async with wired(echoing()) as service, pool_of(service) as pool:
        await bodies(pool, b"1")
        (idle,) = connections(pool)
        idle.since_s -= IDLE_S_MAX
        await eventually(lambda: not idle.is_open)
        assert await bodies(pool, b"2", b"3") == [b"2", b"3"]
        assert len(service.peers) == 2


async def test_using_a_connection_twice_at_a_time_is_a_bug() -> None:
    async with wired(answering(reply())) as service, pool_of(service) as pool:
        await bodies(pool, b"1")
        (connection,) = connections(pool)
        waiting = connection.send(request(), pool._outbox)
        with pytest.raises(RuntimeError):
            connection.send(request(), pool._outbox)
        await waiting
