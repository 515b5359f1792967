"""What nobody has asked for is no answer to the next call, on any transport."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Literal

import pytest
from support.services import Peer, eventually, wired
from unit.transport.messages import reply
from unit.transport.transports import opened

from worker.model import Answer
from worker.transport.base import Ready, Transport

pytestmark = pytest.mark.parametrize("wanted", ["wire", "sdk"])
Wanted = Literal["wire", "sdk"]


def body_of(user: str) -> bytes:
    return b'{"itemList":[],"recommendationId":"%b"}' % user.encode()


STRAY = reply(body_of("nobody"))


class HeldTurn:
    """A turn that comes when the test says so."""

    def __init__(self) -> None:
        self.ready: Ready | None = None

    def ask(self, ready: Ready) -> None:
        self.ready = ready

    def take(self) -> bool:
        return True

    def left(self) -> None:
        """Be told, and do nothing."""


async def ask(transport: Transport, user: str, turn: HeldTurn | None = None) -> str:
    result = await transport.call(b'{"userId":"%b"}' % user.encode(), turn)
    assert isinstance(result, Answer), result
    return result.body.decode()


async def faithful(peer: Peer) -> None:
    """Answer each request with what it asked for."""
    while True:
        await peer.send(reply(body_of((await peer.request()).members["userId"])))


@pytest.mark.parametrize("stray", [STRAY, STRAY[:20], b"\r\n"])
async def test_bytes_after_an_answer_are_not_the_next_one(wanted: Wanted, stray: bytes) -> None:
    async def talk(peer: Peer) -> None:
        while True:
            user = (await peer.request()).members["userId"]
            await peer.send(reply(body_of(user)) + stray)

    async with wired(talk) as service, opened(service.url, wanted) as transport:
        for number in range(20):
            assert await ask(transport, f"u{number}") == body_of(f"u{number}").decode()


async def test_an_answer_that_comes_while_a_connection_is_idle_is_not_the_next_one(
    wanted: Wanted,
) -> None:
    async with wired(faithful) as service, opened(service.url, wanted) as transport:
        for number in range(5):
            assert await ask(transport, f"u{number}") == body_of(f"u{number}").decode()
            service.peers[-1].send_at_once(STRAY)  # the client's loop has not read it yet
        assert len(service.peers) == 5


async def test_an_answer_that_comes_while_a_request_waits_for_its_turn_is_not_its_own(
    wanted: Wanted,
) -> None:
    async with wired(faithful) as service, opened(service.url, wanted) as transport:
        assert await ask(transport, "first") == body_of("first").decode()
        turn = HeldTurn()
        waiting = asyncio.create_task(ask(transport, "second", turn))
        await eventually(lambda: turn.ready is not None)
        before = turn.ready
        service.peers[0].send_at_once(STRAY)
        await eventually(lambda: turn.ready is not before)  # it asks anew, with another connection
        assert len(service.received) == 1
        while not waiting.done():
            assert turn.ready is not None
            turn.ready.go(monotonic())
            await asyncio.sleep(0)
        assert await waiting == body_of("second").decode()
        assert len(service.peers) == 2
