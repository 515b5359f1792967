"""How long a task waits for others, by a clock that may leave out when this process stood still."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from worker.runtime.clock import Clock, Timer


class Patience:
    """`asyncio.timeout` by a clock; it may rest, and begin anew. Raises TimeoutError likewise."""

    def __init__(self, limit_s: float, clock: Clock) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._timeout = asyncio.timeout(None)
        self._timer: Timer | None = None
        self._is_on = False
        self._due_s = 0.0
        self._left_s = limit_s

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._timeout.__aenter__()
        self._is_on = True
        self.begin()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End; raise TimeoutError if it has run out."""
        self.rest()
        self._is_on = False
        await self._timeout.__aexit__(exc_type, exc, traceback)

    def begin(self) -> None:
        """Wait for `limit_s` from now on, whatever was before."""
        self.rest()
        self._start(self._limit_s)

    def rest(self) -> None:
        """Wait without a limit until it begins anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def end(self) -> None:
        """Let it have run out."""
        self.rest()
        if self._is_on:
            self._run_out()

    def pause(self) -> None:
        """Rest, to go on later with what is left."""
        if self._timer is not None:
            self.rest()
            self._left_s = self._due_s - self._clock.now_s()

    def go_on(self) -> None:
        """Go on after a pause."""
        if self._timer is None:
            self._start(self._left_s)

    def _start(self, limit_s: float) -> None:
        if self._is_on:
            self._due_s = self._clock.now_s() + limit_s
            self._timer = self._clock.call_at(self._due_s, self._run_out)

    def _run_out(self) -> None:
        self._timer = None
        if not self._timeout.expired():  # it may be so, and the task not have run since
            self._timeout.reschedule(asyncio.get_running_loop().time())
