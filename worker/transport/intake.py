"""Answers on their way, in bytes: how much of them is in memory, over all calls of a process.

What an answer comes to is known when it is whole. So what has arrived is counted, and where there
is no room for more, reading waits: the rest stays with the network, and nothing that is paid for is
given up. The answer that began to grow first may always go on, so each becomes whole in its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from worker.runtime.memory_budget import INTAKE_BYTES_MAX

_READ_BYTES = 256 << 10  # what an event loop reads of a connection at once


class Intake:
    """Shared by all answers that are read at the same time."""

    def __init__(self, *, bytes_max: int = INTAKE_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._flows: dict[Flow, None] = {}  # in the order in which they began
        self._is_shut = False
        self.held_bytes = 0

    def shut(self, *, is_shut: bool) -> None:
        """Let no answer grow while there is no room for whole ones."""
        if self._is_shut != is_shut:
            self._is_shut = is_shut
            self.wake()

    def may_grow(self, flow: Flow) -> bool:
        """Return whether more may be read of an answer."""
        return not self._is_shut and (
            self.held_bytes < self._bytes_max or next(iter(self._flows), flow) is flow
        )

    def wake(self) -> None:
        """Have as many answers go on as there is room for, the oldest first."""
        room = max(1, (self._bytes_max - self.held_bytes) // _READ_BYTES)
        waiting = [flow for flow in self._flows if flow.is_waiting and self.may_grow(flow)]
        for flow in waiting[:room]:
            flow.go_on()

    def enter(self, flow: Flow, size: int) -> None:
        """Count bytes of an answer; called by its Flow."""
        self._flows[flow] = None
        self.held_bytes += size

    def leave(self, flow: Flow) -> None:
        """Count an answer no more; called by its Flow."""
        del self._flows[flow]
        self.held_bytes -= flow.held_bytes
        self.wake()


class Flow:
    """One answer on its way."""

    def __init__(self, intake: Intake, go_on: Callable[[], None]) -> None:
        self._intake = intake
        self._go_on = go_on
        self.is_waiting = False
        self.held_bytes = 0

    def grow(self, size: int) -> bool:
        """Count further bytes; return False when no more are to be read until `go_on` is called."""
        self._intake.enter(self, size)
        self.held_bytes += size
        self.is_waiting = not self._intake.may_grow(self)
        return not self.is_waiting

    def end(self) -> None:
        """Count nothing of it any more: it is whole, or nobody wants it. May be called again."""
        self.is_waiting = False
        if self.held_bytes:
            self._intake.leave(self)
            self.held_bytes = 0

    def go_on(self) -> None:
        """Have the reader read on; called by the Intake."""
        self.is_waiting = False
        self._go_on()


class WaitingFlow:
    """One answer on its way, for a reader that is a task. Use it as a context manager."""

    def __init__(self, intake: Intake) -> None:
        self._may_grow = asyncio.Event()
        self._flow = Flow(intake, self._may_grow.set)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flow.end()

    def grow_now(self, size: int) -> bool:
        """Count further bytes; return False when no more are to be read before `room` returns."""
        self._may_grow.clear()
        return self._flow.grow(size)

    async def room(self) -> None:
        """Return when more may be read."""
        await self._may_grow.wait()
