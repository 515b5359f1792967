"""Answers on their way are bounded by waiting: each becomes whole, none is given up."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.services import Peer, eventually, no_socket_left, wired
from unit.transport.messages import reply, request
from unit.transport.transports import EVERY_NETWORK, opened, pool_of

from worker.model import Answer, Failure
from worker.transport._http1 import Reply
from worker.transport.intake import Flow, Intake

pytestmark = EVERY_NETWORK

MIB = 1 << 20
BODY = b'{"itemList":[],"x":"' + b"y" * MIB + b'"}'


class Watched(Intake):
    """An intake that knows the most it has held."""

    most_bytes = 0

    def enter(self, flow: Flow, size: int) -> None:
        super().enter(flow, size)
        self.most_bytes = max(self.most_bytes, self.held_bytes)


def together(whole: bytes, calls: int) -> Callable[[Peer], Coroutine[Any, Any, None]]:
    """A talk that answers so many calls at the same time."""
    all_asked = asyncio.Barrier(calls)

    async def talk(peer: Peer) -> None:
        await peer.request()
        await all_asked.wait()
        await peer.send(whole)
        await peer.until_gone()

    return talk


async def test_large_answers_at_the_same_time_wait_for_each_other() -> None:
    intake = Watched(bytes_max=4 * MIB)
    async with (
        no_socket_left(),
        wired(together(reply(BODY), 30)) as service,
        pool_of(service, intake=intake) as pool,
    ):
        ends = await asyncio.gather(*[pool.exchange(request()) for _ in range(30)])
        assert [each.body for each in ends if isinstance(each, Reply)] == [BODY] * 30
    assert 3 * MIB < intake.most_bytes < 12 * MIB
    assert intake.held_bytes == 0


async def test_time_in_which_an_answer_waits_for_room_is_none_that_it_takes() -> None:
    intake = Intake()
    intake.shut(is_shut=True)
    async with (
        wired(together(reply(BODY), 1)) as service,
        pool_of(service, intake=intake) as pool,
    ):
        call = asyncio.create_task(pool.exchange(request()))
        await eventually(lambda: intake.held_bytes > 0)
        (connection,) = pool._connections
        assert not connection.is_late(pool._clock.now_s() + 60.0, 0.2)
        intake.shut(is_shut=False)
        end = await call
        assert isinstance(end, Reply)
        assert end.body == BODY


async def test_an_answer_that_is_late_by_itself_is_late() -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(BODY)[:-1])
        await peer.request()

    async with wired(talk) as service, pool_of(service, timeout_s=0.2) as pool:
        end = await pool.exchange(request())
        assert isinstance(end, Failure)
        assert end.code == "TimedOut"


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("wanted", ["wire", "sdk"])
async def test_both_transports_count_what_bodies_come_to(
    wanted: Literal["wire", "sdk"], *, encoded: bool
) -> None:
    """Ten answers of a MiB; compressed ones arrive in a few KB, and grow here."""
    intake = Watched(bytes_max=2 * MIB)
    body = gzip.compress(BODY) if encoded else BODY
    whole = reply(body, headers=b"Content-Encoding: gzip\r\n" if encoded else b"")
    async with (
        wired(together(whole, 10)) as service,
        opened(service.url, wanted, intake=intake, timeout_s=20.0) as transport,
    ):
        ends = await asyncio.gather(*[transport.call(b"{}") for _ in range(10)])
        assert [each.body for each in ends if isinstance(each, Answer)] == [BODY] * 10
    assert MIB < intake.most_bytes < 6 * MIB
    assert intake.held_bytes == 0


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3 * MIB)), max_size=60),
    st.integers(1, 4 * MIB),
)
def test_somebody_may_always_go_on(events: list[tuple[int, int]], bytes_max: int) -> None:
    """Whoever grows or ends in whatever order: there is no room, or nobody waits for it."""
    intake = Intake(bytes_max=bytes_max)
    flows = [Flow(intake, lambda: None) for _ in range(5)]
    for number, size in events:
        flow = flows[number]
        if size and not flow.is_waiting:
            flow.grow(size)
        elif not size:
            flow.end()
        growing = [each for each in flows if each.held_bytes]
        assert intake.held_bytes == sum(each.held_bytes for each in flows)
        assert not growing or not all(each.is_waiting for each in growing)
    for flow in flows:
        flow.end()
    assert intake.held_bytes == 0


def test_while_it_is_shut_nobody_goes_on_and_after_it_the_oldest_first() -> None:
    intake, told = Intake(bytes_max=1), list[int]()
    flows = [Flow(intake, partial(told.append, number)) for number in range(3)]
    intake.shut(is_shut=True)
    assert [flow.grow(1) for flow in flows] == [False] * 3
    flows[0].end()
    assert told == []
    intake.shut(is_shut=False)
    assert told == [1]
    flows[1].end()
    assert told == [1, 2]
