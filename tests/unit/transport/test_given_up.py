"""Requests that are sent back before their turn, and answers that are given up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from support.services import Peer, eventually, wired
from unit.transport.messages import answering, reply, request
from unit.transport.transports import EVERY_NETWORK, opened, pool_of

from worker.model import Answer, Failure
from worker.transport._http1 import Reply
from worker.transport._pool import Pool
from worker.transport.base import SENT_BACK, Ready
from worker.transport.intake import Intake, WaitingFlow

pytestmark = EVERY_NETWORK
MIB = 1 << 20


class Back:
    """A turn that does not come."""

    def ask(self, ready: Ready) -> None:
        asyncio.get_running_loop().call_soon(ready.send_back)

    def take(self) -> bool:
        raise AssertionError

    def left(self) -> None:
        raise AssertionError


async def test_a_connection_whose_request_was_sent_back_is_used_again() -> None:
    async with wired(answering(reply())) as service, opened(service.url, "wire") as transport:
        for _ in range(3):
            assert await transport.call(b"{}", Back()) is SENT_BACK
        assert isinstance(await transport.call(b"{}"), Answer)
        assert len(service.peers) == len(service.received) == 1


@contextmanager
def exchanging(pool: Pool) -> Iterator[asyncio.Task[object]]:
    call = asyncio.create_task(pool.exchange(request()))
    try:
        yield call
    finally:
        call.cancel()


async def test_an_answer_that_still_arrives_when_its_time_is_over_is_waited_for_once() -> None:
    asked = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.until_gone()

    async with wired(talk) as service, pool_of(service) as pool:
        with exchanging(pool) as call:
            await asked.wait()
            (connection,) = pool._connections
            for piece, is_open in ((b"HTTP/1.1 200 OK\r\n", True), (b"X: y\r\n", False)):
                service.peers[0].send_at_once(piece)
                connection.give_up("TimedOut", "it is late")
                assert (connection._waiter is not None) is is_open
            assert await call == Failure("TimedOut", "it is late")


async def test_what_an_answer_holds_is_free_when_it_is_given_up() -> None:
    intake = Intake()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(bytes(MIB))[:-1])
        await peer.until_gone()

    async with wired(talk) as service, pool_of(service, intake=intake) as pool:
        with exchanging(pool) as call:
            await eventually(lambda: intake.held_bytes > MIB // 2)
            (connection,) = pool._connections
            connection.fail("TimedOut", "it is late")
            assert intake.held_bytes == 0
            assert await call == Failure("TimedOut", "it is late")


class Held:
    """A turn that comes when the test says so."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.ready: Ready | None = None

    def ask(self, ready: Ready) -> None:
        self.ready = ready
        self.asked.set()

    def take(self) -> bool:
        return True

    def left(self) -> None:
        """Nobody asks."""


async def test_time_in_which_a_request_waits_for_its_turn_is_none_that_its_answer_takes() -> None:
    turn = Held()
    async with wired(answering(reply())) as service, pool_of(service, timeout_s=0.1) as pool:
        call = asyncio.create_task(pool.exchange(request(), turn))
        await turn.asked.wait()
        (connection,) = pool._connections
        assert not connection.is_late(pool._clock.now_s() + 60.0, 0.1)
        assert turn.ready is not None
        assert turn.ready.go(pool._clock.now_s())
        assert isinstance(await call, Reply)


async def test_time_in_which_an_answer_has_waited_for_room_does_not_count_later_either() -> None:
    intake = Intake()
    intake.shut(is_shut=True)

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(bytes(MIB))[:-1])
        await peer.until_gone()

    async with wired(talk) as service, pool_of(service, intake=intake) as pool:
        with exchanging(pool):
            await eventually(lambda: intake.held_bytes > 0)
            (connection,) = pool._connections
            later_s = connection._clock.now_s() + 60.0
            connection._clock = SimpleNamespace(now_s=lambda: later_s)
            intake.shut(is_shut=False)
            assert not connection.is_late(later_s, 10.0)
            assert connection.is_late(later_s + 10.0, 10.0)


async def test_a_reader_that_is_a_task_waits_each_time_there_is_no_room() -> None:
    intake = Intake()
    with WaitingFlow(intake) as flow:
        for _ in range(2):
            intake.shut(is_shut=True)
            assert not flow.grow_now(1)
            waiting = asyncio.create_task(flow.room())
            await asyncio.sleep(0)
            assert not waiting.done()
            intake.shut(is_shut=False)
            await waiting
            assert flow.grow_now(1)
