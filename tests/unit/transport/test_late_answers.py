"""An answer that comes about when its time is over: it is that call's, or nobody's."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from typing import Any

import pytest
from support.services import Peer, Talk, no_socket_left, wired
from unit.transport.messages import reply
from unit.transport.transports import opened

from worker.model import Failure
from worker.transport.base import Transport

pytestmark = pytest.mark.every_loop

TIME_LIMIT_S = 0.2
CALLS = 60
transports = pytest.mark.parametrize("wanted", ["wire", "sdk"])


def answer_to(body: bytes) -> bytes:
    """Return an answer that tells whom it is for."""
    user = json.loads(body)["userId"]
    return reply(json.dumps({"recommendationId": user, "itemList": []}).encode())


def answering_after(delays_s: list[float], *, cut: int = 0) -> Talk:
    """Return a talk that answers call n after a delay; the first `cut` bytes at once."""

    async def talk(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            number = int(re.findall(r"\d+", asked.body.decode())[0])
            whole = answer_to(asked.body)
            await peer.send(whole[:cut])
            # When answers come, before and after the time-out, is what is tested.
            await asyncio.sleep(delays_s[number % len(delays_s)])
            await peer.send(whole[cut:])

    return talk


async def call(transport: Transport, user: int) -> str:
    """Make a call; return whose answer came, or the code of its failure."""
    result = await transport.call(b'{"userId":"%d"}' % user)
    if isinstance(result, Failure):
        return result.code
    found: dict[str, Any] = json.loads(result.body)
    return str(found["recommendationId"])


@transports
@pytest.mark.parametrize("cut", [0, 30, 80], ids=["nothing", "half-a-head", "half-a-body"])
async def test_an_answer_at_the_last_moment_is_this_calls_or_a_time_out(
    cut: int, wanted: Any
) -> None:
    """From well before the limit to well after it, in steps of 4 ms, many at the same time.

    Again, until both have been seen: how quick the machine is, decides where the one becomes the
    other.
    """
    delays_s = [TIME_LIMIT_S + 0.004 * (step - 2 * CALLS // 3) for step in range(CALLS)]
    async with (
        no_socket_left(),
        wired(answering_after(delays_s, cut=cut)) as service,
        opened(service.url, wanted, timeout_s=TIME_LIMIT_S) as transport,
    ):
        seen = set[bool]()
        while seen != {True, False}:
            for first in range(0, CALLS, 10):
                users = range(first, first + 10)
                found = await asyncio.gather(*(call(transport, user) for user in users))
                for user, end in zip(users, found, strict=True):
                    assert end in {str(user), "TimedOut"}
                    seen.add(end == "TimedOut")


@transports
async def test_the_retry_of_a_call_that_timed_out_never_gets_its_late_answer(wanted: Any) -> None:
    """A first attempt is answered, with another's answer, when its retry is under way."""
    retried = {user: asyncio.Event() for user in range(4)}
    is_late = {user: asyncio.Event() for user in range(4)}
    seen = set[int]()

    async def talk(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            user = json.loads(asked.body)["userId"]
            if int(user) not in seen:
                seen.add(int(user))
                await retried[int(user)].wait()
                with suppress(ConnectionError):
                    await peer.send(answer_to(b'{"userId":"late"}'))
                is_late[int(user)].set()
                await peer.until_gone()
                return
            retried[int(user)].set()
            await is_late[int(user)].wait()
            await peer.send(answer_to(asked.body))

    async with (
        no_socket_left(),
        wired(talk) as service,
        opened(service.url, wanted, timeout_s=5 * TIME_LIMIT_S) as transport,
    ):

        async def until_answered(user: int) -> list[str]:
            ends = [await call(transport, user), await call(transport, user)]
            while ends[-1] == "TimedOut":  # a busy machine takes longer than the limit
                ends.append(await call(transport, user))
            return ends

        for user, ends in enumerate(await asyncio.gather(*map(until_answered, range(4)))):
            assert ends[0] == "TimedOut"
            assert ends[-1] == str(user)
