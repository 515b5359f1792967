"""The moments of a whole run: which come, in which order, and that a stop is the last."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.jobs import job_over
from support.memory_store import MemoryPlace, MemoryStore
from support.runs import write_users
from support.services import TIMEOUT_S, Peer, wired
from unit.transport.messages import answering, reply

from worker.aws.access import Access
from worker.commands.run import run
from worker.errors import RefusedError, StoppedError, leaves
from worker.runtime.stop import StopSwitch
from worker.telemetry.listener import Committed, RunListener, Started
from worker.telemetry.progress import LineView

BODY = b'{"itemList":[{"itemId":"i1"}],"recommendationId":"r"}'
REFUSAL = b'{"message":"no such campaign"}'


class Heard(RunListener):
    """Remembers the moments, with little of what they say."""

    def __init__(self) -> None:
        self.moments: list[tuple[str, object]] = []
        self.calls = 0

    def started(self, start: Started) -> None:
        plan = start.operation, start.tps, start.tps_from, start.parts, start.tally.rows_expected
        self.moments.append(("started", plan))

    def called(self, sent_s: float, *, is_retry: bool) -> None:
        del sent_s, is_retry
        self.calls += 1

    def committed(self, part: Committed) -> None:
        counts = part.chunk.index, part.rows, part.results, part.errors
        self.moments.append(("committed", counts))

    def stopped(self, reason: str) -> None:
        self.moments.append(("stopped", reason))


async def _run(folder: Path, place: MemoryPlace, message: bytes, **stop: Any) -> Heard:
    path = folder / "users.parquet"
    job = job_over(
        path if path.exists() else write_users(folder, 30),
        {"user_id": "USER_ID"},
        rate={"tps": 2000, "in_flight_max": 4},
        output={"rows_per_part": 10},
        stop=stop,
    )
    heard = Heard()
    async with wired(answering(message)) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        view = LineView(per_1000_usd=None)
        try:
            await run(job, MemoryStore(place), access, view, StopSwitch(), listeners=[heard])
        except* (StoppedError, RefusedError) as group:
            heard.moments.append(("raised", type(leaves(group)[0])))
    return heard


async def test_a_run_starts_and_commits_its_parts_in_order(tmp_path: Path) -> None:
    heard = await _run(tmp_path, MemoryPlace(), reply(BODY))
    plan = heard.moments[0][1]
    assert heard.moments == [
        ("started", plan),
        *(("committed", (part, 10, 10, 0)) for part in range(3)),
    ]
    assert plan == ("GetRecommendations", 2000.0, None, 3, 30)
    assert heard.calls == 30


async def test_a_stop_is_the_last_moment_and_the_run_after_it_starts_with_what_is_left(
    tmp_path: Path,
) -> None:
    place = MemoryPlace()
    heard = await _run(tmp_path, place, reply(BODY), calls_max=14)
    assert [moment for moment, _ in heard.moments] == ["started", "committed", "stopped", "raised"]
    assert heard.moments[2] == ("stopped", "the cap of 14 calls is reached")
    assert heard.calls == 14
    heard = await _run(tmp_path, place, reply(BODY))
    assert heard.moments[0][1] == ("GetRecommendations", 2000.0, None, 2, 20)
    assert [moment for moment, _ in heard.moments] == ["started", "committed", "committed"]


async def test_a_refusal_is_no_stop(tmp_path: Path) -> None:
    headers = b"x-amzn-ErrorType: ResourceNotFoundException\r\n"
    message = reply(REFUSAL, status=b"404 Not Found", headers=headers)
    heard = await _run(tmp_path, MemoryPlace(), message)
    assert [moment for moment, _ in heard.moments] == ["started", "raised"]
    assert heard.moments[1] == ("raised", RefusedError)


class OddError(Exception):
    """What a listener raises."""


def _raising(moment: str, *, end_outage: Callable[[], object]) -> RunListener:
    """Return a listener that raises in one moment, and ends an outage when it hears of it."""

    def raises(self: RunListener, *args: object, **keys: object) -> None:
        del self, args, keys
        raise OddError

    class Odd(RunListener):
        def down(self, code: str, *, stops_in_s: float) -> None:
            del code, stops_in_s
            end_outage()

    setattr(Odd, moment, raises)
    return Odd()


@pytest.mark.parametrize(
    "moment",
    ["started", "called", "answered", "throttled", "down", "up", "committed", "stopped"],
)
async def test_a_listener_that_raises_ends_the_run_like_a_bug(tmp_path: Path, moment: str) -> None:
    """In any moment: also where a timer is what calls it, and no task would meet the error."""
    replies = [reply(BODY)]
    if moment == "throttled":
        headers = b"x-amzn-ErrorType: ThrottlingException\r\n"
        replies.append(reply(b"{}", status=b"400 Bad Request", headers=headers))
    elif moment in {"down", "up"}:
        replies.append(reply(b"{}", status=b"503 Service Unavailable"))

    async def talk(peer: Peer) -> None:
        with suppress(ConnectionError):  # a run that ends at once waits for no answer
            while True:
                await peer.request()
                await peer.send(replies[-1])

    stop = {"calls_max": 2} if moment == "stopped" else {}
    job = job_over(write_users(tmp_path, 30), {"user_id": "USER_ID"}, rate={"tps": 2000}, stop=stop)
    listener = _raising(moment, end_outage=replies.pop)
    async with wired(talk) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        view, store = LineView(per_1000_usd=None), MemoryStore(MemoryPlace())
        with pytest.raises((OddError, ExceptionGroup)) as caught, anyio.fail_after(TIMEOUT_S):
            await run(job, store, access, view, StopSwitch(), listeners=[listener])
    raised = caught.value
    found = leaves(raised) if isinstance(raised, ExceptionGroup) else [raised]
    assert {type(error) for error in found} == {OddError}
