"""The moments of a run: who hears of which, and what those cost that nobody hears of."""

from __future__ import annotations

import inspect

from worker.model import Chunk
from worker.telemetry.listener import Committed, Listeners, RunListener, Started
from worker.telemetry.tally import Tally

MOMENTS = [
    name for name, _ in inspect.getmembers(RunListener, inspect.isfunction) if name[0] != "_"
]
STARTED = Started(
    operation="get_recommendations", target="campaign/c", parts=1, tps=5.0, tps_from=None,
    tally=Tally(rows_expected=1),
)  # fmt: skip
COMMITTED = Committed(chunk=Chunk(0, ()), rows=2, results=1, errors=1, seconds=0.5)


class Hears(RunListener):
    """Hears of two moments."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def called(self, sent_s: float, *, is_retry: bool) -> None:
        self.heard.append((sent_s, is_retry))

    def committed(self, part: Committed) -> None:
        self.heard.append(part)


class HearsAll(RunListener):
    """Hears of every moment."""

    def __init__(self) -> None:
        self.heard = dict[str, object]()

    def started(self, start: Started) -> None:
        self.heard["started"] = start

    def called(self, sent_s: float, *, is_retry: bool) -> None:
        self.heard["called"] = sent_s, is_retry

    def answered(self, took_s: float) -> None:
        self.heard["answered"] = took_s

    def throttled(self, code: str) -> None:
        self.heard["throttled"] = code

    def down(self, code: str, *, stops_in_s: float) -> None:
        self.heard["down"] = code, stops_in_s

    def up(self, down_s: float) -> None:
        self.heard["up"] = down_s

    def committed(self, part: Committed) -> None:
        self.heard["committed"] = part

    def stopped(self, reason: str) -> None:
        self.heard["stopped"] = reason


def make_all_moments(listener: RunListener) -> None:
    listener.started(STARTED)
    listener.called(1.0, is_retry=True)
    listener.answered(0.25)
    listener.throttled("ThrottlingException")
    listener.down("InternalServerException", stops_in_s=9.0)
    listener.up(4.0)
    listener.committed(COMMITTED)
    listener.stopped("SIGTERM")


def test_each_moment_comes_to_all_that_have_it_with_what_it_says() -> None:
    some, every = Hears(), HearsAll()
    make_all_moments(Listeners([some, every]))
    assert some.heard == [(1.0, True), COMMITTED]
    assert every.heard == {
        "started": STARTED,
        "called": (1.0, True),
        "answered": 0.25,
        "throttled": "ThrottlingException",
        "down": ("InternalServerException", 9.0),
        "up": 4.0,
        "committed": COMMITTED,
        "stopped": "SIGTERM",
    }
    assert sorted(every.heard) == sorted(MOMENTS)


def test_listeners_are_a_listener_themselves_and_may_be_none() -> None:
    some = Hears()
    make_all_moments(Listeners([Listeners([some]), Listeners()]))
    assert some.heard == [(1.0, True), COMMITTED]


def test_a_moment_that_nobody_has_calls_nobody() -> None:
    listeners = Listeners([Hears()])
    assert listeners._answered == ()
    assert len(listeners._called) == 1
