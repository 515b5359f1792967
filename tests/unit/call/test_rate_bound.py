"""The rate's bound, at the worker's own writes, under a network that holds, drops and delays."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
import trustme
from support.certificates import bundle, server_context
from support.lanes import make_lane
from support.services import HOST, Peer, Talk, served, wired
from unit.rate.pacing import most_beyond
from unit.transport.messages import CLOSES, reply
from unit.transport.transports import opened

from worker.call.lane import PutOff
from worker.model import Answer, Outcome
from worker.runtime.stop import StopSwitch
from worker.telemetry.tally import Tally
from worker.transport._http1 import Connection
from worker.transport._sdk_http import Handler

Wanted = Literal["wire", "sdk"]
TPS = 150.0
ROWS = 240
LANES = 48
HOLD_S = 0.7
_HANDSHAKE_PIECES = 5


class Recorder:
    """A transport whose writes are noted."""

    def __init__(self, transport: Any, writes: list[float]) -> None:
        self._transport = transport
        self._writes = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._writes.append(time.monotonic())
        self._transport.write(data)

    def writelines(self, pieces: list[bytes]) -> None:
        self.write(b"".join(pieces))


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note when requests are written, by whichever transport."""
    moments: list[float] = []

    def recorded(made: Callable[[Any, Any], None], name: str) -> Callable[[Any, Any], None]:
        def connection_made(self: Any, transport: Any) -> None:
            made(self, transport)
            setattr(self, name, Recorder(transport, moments))

        return connection_made

    for kind, name in ((Connection, "_transport"), (Handler, "transport")):
        monkeypatch.setattr(kind, "connection_made", recorded(kind.connection_made, name))
    return moments


@asynccontextmanager
async def unreliable(port: int, *, seed: int, drops: float) -> AsyncIterator[int]:
    """Yield a port where a network begins that holds everything, then delays, and drops some."""
    rng, begun_s = random.Random(seed), time.monotonic()
    tasks = set[asyncio.Task[None]]()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces = 0
        while data := await reader.read(1 << 16):
            pieces += 1
            held_s = begun_s + HOLD_S - time.monotonic()
            await anyio.sleep(held_s if held_s > 0 else rng.uniform(0.0, 0.02))  # as a network
            # A handshake that fails is an outage, which is not what is tested here.
            if pieces > _HANDSHAKE_PIECES and rng.random() < drops:
                break
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near_reader, near_writer = await asyncio.open_connection(HOST, port)
        for ends in ((reader, near_writer), (near_reader, writer)):
            task = asyncio.create_task(pass_on(*ends))
            tasks.add(task)
            task.add_done_callback(partial(_ended, writer, near_writer))

    server = await asyncio.start_server(serve, HOST, 0, backlog=500)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ended(*arguments: Any) -> None:
    *writers, task = arguments
    if not task.cancelled():
        task.exception()  # a connection that was dropped
    for writer in writers:
        writer.transport.abort()


def echoing(closes_every: int) -> Talk:
    """Return a talk that answers each request; one connection in so many ends after its first."""

    async def talk(peer: Peer) -> None:
        closes = peer.number % closes_every == 0
        while True:
            body = (await peer.request()).body
            answer = b'{"itemList":[],"recommendationId":"%b"}' % body[11:-2]
            await peer.send(reply(answer, headers=CLOSES if closes else b""))
            if closes:
                return

    return talk


async def run(url: str, wanted: Wanted, access: dict[str, Any]) -> list[Outcome | None]:
    """Settle all rows over lanes of a run."""
    outcomes: list[Outcome | None] = []
    tally = Tally(rows_expected=ROWS)
    async with opened(url, wanted, connections_max=LANES, timeout_s=10.0, **access) as transport:
        lane = make_lane(
            transport,
            switch=StopSwitch(),
            tally=tally,
            tps=TPS,
            attempts_max=20,
            budget_share=5.0,
        )
        left = iter(range(ROWS))

        async def work() -> None:
            for row in left:
                outcome = await lane.settle(b'{"userId":"u%d"}' % row)
                assert not isinstance(outcome, PutOff)
                outcomes.append(outcome)

        async with anyio.create_task_group() as group:
            for _ in range(LANES):
                group.start_soon(work)
    return outcomes


@pytest.mark.parametrize(
    ("wanted", "is_tls", "closes_every"),
    [("wire", False, 1), ("wire", True, 3), ("sdk", False, 1), ("sdk", True, 3)],
)
async def test_no_window_holds_more_writes_than_the_rate_allows(
    wanted: Wanted, is_tls: bool, closes_every: int, writes: list[float], tmp_path: Path
) -> None:
    authority = trustme.CA()
    tls = server_context(authority, HOST) if is_tls else None
    access = {"ca_bundle": bundle(authority, tmp_path)} if is_tls else {}
    async with (
        served(echoing(closes_every), tls=tls) as service,
        unreliable(service.port, seed=1, drops=0.02) as port,
    ):
        scheme = "https" if is_tls else "http"
        outcomes = await run(f"{scheme}://{HOST}:{port}", wanted, access)
    answers = [each.result for each in outcomes if each is not None]
    assert len(answers) == ROWS
    assert all(isinstance(each, Answer) for each in answers)
    assert len(writes) >= ROWS
    assert most_beyond(writes, TPS) <= 1e-6


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
async def test_what_a_row_is_told_of_its_call_begins_when_it_is_written(
    wanted: Wanted, writes: list[float]
) -> None:
    """Connecting took HOLD_S; no call's latency has it."""
    async with wired(echoing(3)) as service, unreliable(service.port, seed=2, drops=0.0) as port:
        began_us = time.time_ns() // 1_000
        outcomes = await run_one(f"http://{HOST}:{port}", wanted)
        ended_us = time.time_ns() // 1_000
    assert outcomes.attempts == 1
    assert began_us <= outcomes.sent_us <= ended_us
    (written_s,) = writes
    sent_ago_s = (ended_us - outcomes.sent_us) / 1e6
    assert sent_ago_s == pytest.approx(time.monotonic() - written_s, abs=1.0)


async def run_one(url: str, wanted: Wanted) -> Outcome:
    async with opened(url, wanted) as transport:
        lane = make_lane(transport, switch=StopSwitch(), tally=Tally(rows_expected=1))
        outcome = await lane.settle(b'{"userId":"u1"}')
    assert isinstance(outcome, Outcome)
    return outcome
