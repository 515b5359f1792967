"""Connections to an endpoint: how they come about, where they go, and when they are given up."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, closing
from typing import Any

import pytest
from support.services import (
    HOST,
    TIMEOUT_S,
    Peer,
    Service,
    Talk,
    deaf_address,
    eventually,
    no_socket_left,
    served,
    wired,
)
from unit.transport.messages import echoing, reply, request
from unit.transport.transports import EVERY_NETWORK, SHORT_S, connections, pool_of

from worker.model import Failure
from worker.transport._http1 import Reply
from worker.transport._pool import ADDRESSES_S_MAX, DEAD_S, Address, Pool

pytestmark = EVERY_NETWORK

HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


class Names:
    """Stands in for the event loop where addresses are looked up: what is found, and the time."""

    def __init__(self, pool: Pool, found: list[Address] | OSError) -> None:
        self.found = found
        self.lookups = 0
        self.later_s = 0.0
        self._loop = asyncio.get_running_loop()
        pool._addresses._loop = self  # type: ignore[assignment] # the part that is used

    def time(self) -> float:
        return self._loop.time() + self.later_s

    async def getaddrinfo(self, *_: object, **__: object) -> list[Any]:
        self.lookups += 1
        await asyncio.sleep(0)
        if isinstance(self.found, OSError):
            raise self.found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", each) for each in self.found]


async def code_of(pool: Pool) -> str:
    """Make an exchange that fails; return its code."""
    failure = await pool.exchange(request())
    assert isinstance(failure, Failure)
    assert failure.message.strip(": ")[-1] != ":"
    assert failure.http_status is None
    return failure.code


async def body_of(pool: Pool, asked: bytes = b"1") -> bytes:
    """Make an exchange that succeeds; return its body."""
    answer = await pool.exchange(request(asked))
    assert isinstance(answer, Reply), answer
    return answer.body


async def at_once(pool: Pool, count: int) -> None:
    """Make exchanges at the same time, so that each has a connection of its own."""
    assert await asyncio.gather(*(body_of(pool) for _ in range(count))) == [b"1"] * count


async def on_each_host(stack: AsyncExitStack, talk: Talk) -> list[Service]:
    """Start a service on the same port of several addresses."""
    first = await stack.enter_async_context(wired(talk, host=HOSTS[0]))
    others = [
        await stack.enter_async_context(wired(talk, host=host, port=first.port))
        for host in HOSTS[1:]
    ]
    return [first, *others]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_refused_connection_is_a_failed_call() -> None:
    async with no_socket_left(), pool_of((HOST, free_port())) as pool:
        assert await code_of(pool) == "ConnectFailed"


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
async def test_what_can_be_no_hosts_name_is_a_failed_call(host: str) -> None:
    async with pool_of((host, 1)) as pool:
        assert await code_of(pool) == "ConnectFailed"


@pytest.mark.parametrize("found", [socket.gaierror(socket.EAI_NONAME, "not known"), []])
async def test_a_name_without_addresses_is_a_failed_call(found: Any) -> None:
    async with pool_of(("service.example", 1)) as pool:
        names = Names(pool, found)
        assert [await code_of(pool) for _ in range(2)] == ["ConnectFailed"] * 2
        assert names.lookups == (2 if found else 1)


async def test_a_connection_that_hangs_is_given_up() -> None:
    with deaf_address() as address:
        async with no_socket_left(), pool_of(address, timeout_s=SHORT_S) as pool:
            assert await code_of(pool) == "TimedOut"
            assert not pool._addresses._connections


async def slow(peer: Peer) -> None:
    """Answer with a byte now and then, for ever."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    while True:
        await peer.send(b"x")
        await asyncio.sleep(SHORT_S / 50)  # slowness is what this server is for


async def silent(peer: Peer) -> None:
    """Read, and say nothing."""
    await peer.until_gone()


async def deaf(peer: Peer) -> None:
    """Not even read."""
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a stream's transport does
    await asyncio.Event().wait()  # until the service ends


@pytest.mark.parametrize("talk", [slow, silent, deaf])
async def test_an_answer_that_takes_too_long_is_given_up(talk: Talk) -> None:
    async with wired(talk) as service, pool_of(service, timeout_s=SHORT_S) as pool:
        large = request(b"x" * (32 << 20)) if talk is deaf else request()
        failures = await asyncio.gather(*(pool.exchange(large) for _ in range(2)))
        assert [type(each) for each in failures] == [Failure] * 2
        assert {each.code for each in failures if isinstance(each, Failure)} == {"TimedOut"}
        await eventually(lambda: not connections(pool))
        assert not pool._idle


async def test_a_time_limit_is_each_requests_own() -> None:
    """One that is over does not touch what else is under way, nor the next."""
    is_over = asyncio.Event()

    async def talk(peer: Peer) -> None:
        asked = await peer.request()
        if asked.body == b"first":
            await peer.until_gone()
            is_over.set()
        await is_over.wait()
        await peer.send(reply(asked.body))
        await echoing()(peer)

    async with wired(talk) as service, pool_of(service, timeout_s=TIMEOUT_S) as pool:
        first = asyncio.create_task(pool.exchange(request(b"first")))
        await eventually(lambda: len(service.received) == 1)
        connections(pool)[0].since_s -= TIMEOUT_S
        second = asyncio.create_task(pool.exchange(request(b"second")))
        await eventually(lambda: len(service.received) == 2)
        pool._sweeper.cancel()  # type: ignore[union-attr] # the pool is open
        pool._sweep()
        failure, answer = await first, await second
        assert isinstance(failure, Failure)
        assert isinstance(answer, Reply)
        assert answer.body == b"second"
        assert await body_of(pool, b"third") == b"third"


async def test_connections_are_spread_evenly_over_all_addresses() -> None:
    async with no_socket_left(), AsyncExitStack() as stack:
        services = await on_each_host(stack, echoing())
        pool = await stack.enter_async_context(pool_of(("service.example", 1)))
        Names(pool, [(host, services[0].port) for host in HOSTS])
        await at_once(pool, 12)
        assert [len(service.peers) for service in services] == [4, 4, 4]


async def test_an_address_that_is_dead_is_left_and_comes_back() -> None:
    async with no_socket_left(), AsyncExitStack() as stack:
        service = await stack.enter_async_context(wired(echoing(), host=HOSTS[0]))
        pool = await stack.enter_async_context(pool_of(("service.example", 1)))
        names = Names(pool, [(HOSTS[1], service.port), (HOSTS[0], service.port)])
        await at_once(pool, 4)
        assert len(service.peers) == 4
        again = await stack.enter_async_context(served(echoing(), host=HOSTS[1], port=service.port))
        await at_once(pool, 6)
        assert not again.peers  # it is not asked for a while
        names.later_s = DEAD_S
        await at_once(pool, 10)
        assert len(again.peers) == 4


async def test_an_address_that_hangs_leaves_time_for_the_next() -> None:
    with deaf_address() as hanging:
        async with no_socket_left(), AsyncExitStack() as stack:
            service = await stack.enter_async_context(
                wired(echoing(), host=HOSTS[1], port=hanging[1])
            )
            pool = await stack.enter_async_context(pool_of(("service.example", 1), timeout_s=2.0))
            Names(pool, [hanging, (service.host, service.port)])
            assert await body_of(pool) == b"1"
            await at_once(pool, 5)
            assert pool._addresses._connections == {(service.host, service.port): 5}


async def test_new_addresses_are_found_and_old_ones_outlive_a_failed_lookup() -> None:
    async with AsyncExitStack() as stack:
        services = await on_each_host(stack, echoing())
        port = services[0].port
        pool = await stack.enter_async_context(pool_of(("service.example", 1)))
        names = Names(pool, [(HOSTS[0], port)])
        await at_once(pool, 2)
        assert names.lookups == 1  # for both
        names.later_s = ADDRESSES_S_MAX
        names.found = [(HOSTS[1], port)]
        await at_once(pool, 4)
        assert [len(service.peers) for service in services] == [2, 2, 0]
        names.later_s *= 2
        names.found = socket.gaierror(socket.EAI_AGAIN, "try again")
        await at_once(pool, 6)
        assert [len(service.peers) for service in services] == [2, 4, 0]
        assert names.lookups == 3


async def test_a_connection_that_ends_before_its_first_request_is_a_failed_call() -> None:
    async def talk(peer: Peer) -> None:
        peer.drop()

    async with no_socket_left(), wired(talk) as service, pool_of(service) as pool:
        for _ in range(5):
            assert await code_of(pool) in ("ConnectionLost", "ConnectFailed")
        await eventually(lambda: not connections(pool))
        assert not pool._addresses._connections


async def test_a_pool_that_closes_fails_what_is_under_way() -> None:
    async with no_socket_left(), wired(silent) as service:
        async with pool_of(service) as pool:
            open_calls = [asyncio.create_task(pool.exchange(request())) for _ in range(3)]
            await eventually(lambda: len(pool._connections) == len(service.peers) == 3)
        for call in open_calls:
            failure = await call
            assert isinstance(failure, Failure)
            assert failure.code == "ConnectionLost"


async def test_connections_that_were_opened_ahead_are_used() -> None:
    async with wired(echoing()) as service, pool_of((HOST, service.port)) as pool:
        await pool.warm_up(3)
        assert len(pool._idle) == 3
        await at_once(pool, 3)
        assert len(service.peers) == 3


async def test_opening_ahead_leaves_a_failure_to_the_exchange() -> None:
    async with no_socket_left(), pool_of((HOST, free_port())) as pool:
        await pool.warm_up(3)
        assert await code_of(pool) == "ConnectFailed"
