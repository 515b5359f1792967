"""The moments of a run, each with a name: for progress, log lines, and whoever else listens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from worker.model import Chunk
from worker.telemetry.tally import Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a run is about to do."""

    operation: str  # the API's name for it
    target: str  # what of its ARN comes after the account
    parts: int  # that are left to do
    tps: float  # the most calls a second
    tps_from: str | None  # where the service keeps that number; None: the config has it
    tally: Tally  # the run's counts, which go on counting


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A part that is on the disk for good."""

    chunk: Chunk
    rows: int  # that were read for it, after `where`
    results: int
    errors: int  # rows that failed
    seconds: float  # of the run that it took


class RunListener:
    """Hears of each moment of a run by a method of its own, which does nothing here.

    A listener is a subclass with the methods that it needs.

    All methods are called in the thread of the run's event loop, one after the other, in the order
    of what happens. Calls wait meanwhile. So no method may block, or take more than a millisecond.
    `called` and `answered` come with every call, and are to take a microsecond at most. No method
    may raise: an exception ends the run as a bug does.
    """

    def started(self, start: Started) -> None:
        """The first call is about to be made: the rate is known, and so are the rows to do."""

    def called(self, sent_s: float, *, is_retry: bool) -> None:
        """An attempt has left, at `sent_s` of the run's monotonic clock."""

    def answered(self, took_s: float) -> None:
        """An attempt was answered with a result, `took_s` seconds after it left."""

    def throttled(self, code: str) -> None:
        """An attempt of a row was throttled. `code` is the service's error code."""

    def down(self, code: str, *, stops_in_s: float) -> None:
        """The service has been down for a second, and is asked now and then only.

        `code` is what the last attempt ended with. The run stops in `stops_in_s` seconds, unless
        `up` comes before. An outage of less than a second has neither `down` nor `up`.
        """

    def up(self, down_s: float) -> None:
        """The service answers again, after `down_s` seconds. Each `up` follows a `down`."""

    def committed(self, part: Committed) -> None:
        """A part is committed: whatever happens, its rows are never called for again."""

    def stopped(self, reason: str) -> None:
        """The run has ended before all is done, for `reason`. It is the last moment."""


class Listeners(RunListener):
    """Hands each moment on to those of several listeners that have it, in their order."""

    def __init__(self, listeners: Iterable[RunListener] = ()) -> None:
        each = tuple(listeners)
        self._started = _having(each, "started")
        self._called = _having(each, "called")
        self._answered = _having(each, "answered")
        self._throttled = _having(each, "throttled")
        self._down = _having(each, "down")
        self._up = _having(each, "up")
        self._committed = _having(each, "committed")
        self._stopped = _having(each, "stopped")

    def started(self, start: Started) -> None:
        """See RunListener.started."""
        for started in self._started:
            started(start)

    def called(self, sent_s: float, *, is_retry: bool) -> None:
        """See RunListener.called."""
        for called in self._called:
            called(sent_s, is_retry=is_retry)

    def answered(self, took_s: float) -> None:
        """See RunListener.answered."""
        for answered in self._answered:
            answered(took_s)

    def throttled(self, code: str) -> None:
        """See RunListener.throttled."""
        for throttled in self._throttled:
            throttled(code)

    def down(self, code: str, *, stops_in_s: float) -> None:
        """See RunListener.down."""
        for down in self._down:
            down(code, stops_in_s=stops_in_s)

    def up(self, down_s: float) -> None:
        """See RunListener.up."""
        for up in self._up:
            up(down_s)

    def committed(self, part: Committed) -> None:
        """See RunListener.committed."""
        for committed in self._committed:
            committed(part)

    def stopped(self, reason: str) -> None:
        """See RunListener.stopped."""
        for stopped in self._stopped:
            stopped(reason)


def _having(listeners: tuple[RunListener, ...], moment: str) -> tuple[Callable[..., None], ...]:
    """Return the methods for a moment of those listeners that have one of their own.

    A moment for which nobody has one costs no call but that of Listeners.
    """
    nothing: Any = getattr(RunListener, moment)
    return tuple(
        getattr(each, moment)
        for each in listeners
        if getattr(type(each), moment, None) is not nothing
    )
