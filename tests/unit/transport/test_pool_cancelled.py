"""A call may be cancelled at any moment: it ends at once, and nothing of it is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import trustme
from support.certificates import client_context, server_context
from support.services import (
    HOST,
    TIMEOUT_S,
    Peer,
    Talk,
    deaf_address,
    eventually,
    no_socket_left,
    wired,
)
from unit.transport.messages import echoing, reply, request
from unit.transport.transports import EVERY_NETWORK, connections, pool_of

from worker.model import Failure
from worker.transport._http1 import Reply
from worker.transport._pool import Pool

pytestmark = EVERY_NETWORK

WHOLE = reply(b"x" * 100)
# How much of an answer has come when the call is cancelled.
SENT = {"request-sent": 0, "half-a-head": 20, "whole-head": len(WHOLE) - 100, "half-a-body": 60}


def saying(data: bytes, is_said: asyncio.Event) -> Talk:
    """Return a talk of a part of an answer, and then nothing; other requests are answered."""

    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        if asked.body != b"cancelled":
            await peer.send(reply(asked.body))
            return await talk(peer)
        await peer.send(data)
        is_said.set()
        await peer.until_gone()
        return None

    return talk


async def cancel(call: asyncio.Task[Reply | Failure]) -> None:
    """Cancel a call that is under way, and see it end without any further help."""
    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(call, TIMEOUT_S)


async def read_by(pool: Pool, is_so: Callable[[Any], bool]) -> None:
    """Wait until the only connection has read that much."""
    await eventually(lambda: is_so(connections(pool)[0]))


@pytest.mark.parametrize("state", SENT)
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("is_new", [True, False], ids=["new", "used-before"])
async def test_a_call_cancelled_on_a_connection_ends_it(
    state: str, *, is_tls: bool, is_new: bool, authority: trustme.CA
) -> None:
    sent = WHOLE[: SENT[state]]
    is_said = asyncio.Event()
    server_tls = server_context(authority, HOST) if is_tls else None
    client_tls = client_context(authority) if is_tls else None
    async with (
        no_socket_left(),
        wired(saying(sent, is_said), tls=server_tls) as service,
        pool_of(service, tls=client_tls) as pool,
    ):
        if not is_new:
            assert isinstance(await pool.exchange(request(b"1")), Reply)
        call = asyncio.create_task(pool.exchange(request(b"cancelled")))
        await asyncio.wait_for(is_said.wait(), TIMEOUT_S)
        await read_by(pool, lambda each: each._received_bytes == len(sent))
        await cancel(call)
        assert not pool._idle
        await eventually(lambda: not connections(pool))
        answer = await pool.exchange(request(b"next"))
        assert isinstance(answer, Reply)
        assert answer.body == b"next"
        assert len(service.peers) == 2


async def test_a_call_cancelled_while_its_name_is_looked_up_leaves_nothing() -> None:
    is_asked = asyncio.Event()

    async def hang(*_: object, **__: object) -> None:
        is_asked.set()
        await asyncio.Event().wait()

    async with wired(echoing()) as service, pool_of(service) as pool:
        resolve, pool._addresses._resolve = pool._addresses._resolve, hang  # type: ignore[method-assign] # a hang point
        calls = [asyncio.create_task(pool.exchange(request())) for _ in range(2)]
        await is_asked.wait()
        await cancel(calls[0])  # the other takes its place
        await cancel(calls[1])
        pool._addresses._resolve = resolve  # type: ignore[method-assign] # the end of it
        assert isinstance(await pool.exchange(request()), Reply)


async def test_a_call_cancelled_while_it_connects_leaves_nothing() -> None:
    with deaf_address() as address:
        async with no_socket_left(), pool_of(address) as pool:
            call = asyncio.create_task(pool.exchange(request()))
            await eventually(lambda: bool(pool._addresses._connections))
            for _ in range(100):
                await asyncio.sleep(0)
            await cancel(call)
            assert not connections(pool)
            assert not pool._addresses._connections


async def test_a_call_cancelled_in_the_tls_handshake_leaves_nothing(authority: trustme.CA) -> None:
    is_greeted = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.reader.readexactly(1)
        is_greeted.set()
        await peer.until_gone()

    async with (
        no_socket_left(),
        wired(talk) as service,
        pool_of(service, tls=client_context(authority)) as pool,
    ):
        call = asyncio.create_task(pool.exchange(request()))
        await asyncio.wait_for(is_greeted.wait(), TIMEOUT_S)
        await cancel(call)
        assert not connections(pool)
        assert not pool._addresses._connections


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_a_call_cancelled_at_any_turn_of_the_event_loop_leaves_nothing(
    turns: int, *, is_tls: bool, authority: trustme.CA
) -> None:
    """Also between two steps that look like one: made and not yet known, answered and not taken."""
    async with (
        wired(echoing(), tls=server_context(authority, HOST) if is_tls else None) as service,
        pool_of(service, tls=client_context(authority) if is_tls else None) as pool,
    ):
        for _ in range(3):
            calls = [asyncio.create_task(pool.exchange(request(b"1"))) for _ in range(4)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for call in calls[::2]:
                call.cancel()
            ends = await asyncio.gather(*calls, return_exceptions=True)
            for end in ends:
                if not isinstance(end, asyncio.CancelledError):
                    assert isinstance(end, Reply)
                    assert end.body == b"1"
            assert isinstance(ends[1], Reply)
            assert isinstance(ends[3], Reply)
            await eventually(lambda: len(connections(pool)) == len(pool._idle))
            assert sum(pool._addresses._connections.values()) == len(pool._idle)


async def test_an_answer_that_comes_as_its_call_is_cancelled_harms_no_other_call() -> None:
    """The connection is free again at that moment, and another call may have it already."""

    async def talk(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            await peer.send(reply(asked.body))

    async with wired(talk) as service, pool_of(service) as pool:
        await pool.exchange(request(b"0"))
        (connection,) = connections(pool)
        first = asyncio.create_task(pool.exchange(request(b"1")))
        await asyncio.sleep(0)
        waiter = connection._waiter
        assert waiter is not None
        waiter.add_done_callback(lambda _: first.cancel())
        others: list[asyncio.Task[Reply | Failure]] = []
        waiter.add_done_callback(
            lambda _: others.append(asyncio.create_task(pool.exchange(request(b"2"))))
        )
        await eventually(lambda: bool(others))
        answer = await others[0]
        assert isinstance(answer, Reply)
        assert answer.body == b"2"
        await asyncio.gather(first, return_exceptions=True)
        assert len(service.peers) == 1
