"""Ending a command early: one switch for signals, the deadline and the caps."""

from __future__ import annotations

import math
import signal
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

import anyio

from worker.errors import StoppedError
from worker.runtime import log, signals
from worker.runtime.clock import Clock, local_time
from worker.runtime.deadline import deadline_at

_Result = TypeVar("_Result")

_CARRIES_ON = "run the same command again: it carries on after the last committed part"


class StopSwitch:
    """Thrown once, with a reason. Callers stop waiting and start no further attempt.

    Calls that are in flight end by themselves.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._hint = _CARRIES_ON
        self._waiting: set[anyio.CancelScope] = set()

    def throw(self, reason: str, *, hint: str | None = None) -> None:
        """Stop the run; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            self._hint = hint or _CARRIES_ON
            for scope in self._waiting:
                scope.cancel()

    def check(self) -> None:
        """Raise StoppedError if the switch is thrown."""
        if self.reason is not None:
            raise self.error()

    async def wait(self, awaitable: Awaitable[_Result]) -> _Result:
        """Return what `awaitable` returns.

        Raises StoppedError if the switch is thrown before that, or was before; `awaitable` has
        been cancelled then.
        """
        with anyio.CancelScope() as scope:
            if self.reason is not None:
                scope.cancel()
            self._waiting.add(scope)
            try:
                result = await awaitable
            finally:
                self._waiting.discard(scope)
            if self.reason is None:
                return result
        raise self.error()

    async def thrown(self) -> None:
        """Return when the switch is thrown."""
        with suppress(StoppedError):
            await self.wait(anyio.sleep_forever())

    def error(self) -> StoppedError:
        """Return the error that ends a run which this switch has stopped."""
        return StoppedError(f"stopped before the end: {self.reason}", hint=self._hint)


async def watch_signals(switch: StopSwitch) -> None:
    """Throw the switch at the first signal that ends; raise StoppedError at the second."""
    with anyio.open_signal_receiver(*signals.watched()) as received:
        async for number in received:
            name = signal.Signals(number).name
            if switch.reason is not None and number == signal.SIGHUP:
                continue  # a shell passes a terminal's end on, and when that ends the system does
            if switch.reason is not None:
                raise StoppedError(
                    f"stopped at once: {name} after {switch.reason}",
                    hint=_CARRIES_ON,
                )
            log.warning("stopping", signal=name, next="ends what is in flight; again: at once")
            switch.throw(name)


async def watch_deadline(
    deadline: str | None,
    switch: StopSwitch,
    clock: Clock,
) -> None:
    """Throw the switch when the moment that `deadline` names has come; None: never."""
    if deadline is not None:
        at = deadline_at(deadline, start=local_time(clock))
        while (left_s := (at - local_time(clock)).total_seconds()) > 0:  # noqa: ASYNC110 - waits for a clock
            await anyio.sleep(min(left_s, 60.0))  # the wall clock may be set in between
        switch.throw(f"the deadline {deadline} has come")


def seconds_to(deadline: str | None, clock: Clock) -> float:
    """Return how long it is from now to the moment that `deadline` names; None: for ever."""
    if deadline is None:
        return math.inf
    now = local_time(clock)
    return (deadline_at(deadline, start=now) - now).total_seconds()
