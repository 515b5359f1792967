"""Answers' bodies as the SDK's HTTP client reads them: counted, and waited with for room."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from worker.aws.client import BoundedResponse
from worker.transport.intake import Intake, WaitingFlow


class Reading:
    """Shared by the calls of one client. Time in which one waits here is none that it takes."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._scopes: dict[object, anyio.CancelScope] = {}  # by the task whose call it ends

    @contextmanager
    def timed_by(self, scope: anyio.CancelScope) -> Iterator[None]:
        """Wrap a call that `scope` ends."""
        task = asyncio.current_task()
        self._scopes[task] = scope
        try:
            yield
        finally:
            del self._scopes[task]

    def response_class(self) -> type[BoundedResponse]:
        """Return the class of the client's answers."""
        reading = self

        class Response(BoundedResponse):
            """An answer whose body is counted."""

            async def read(self) -> bytes:
                with WaitingFlow(reading.intake) as self._flow:
                    return await super().read()

            async def grown(self, size: int) -> None:
                await reading.wait(self._flow, size)

        return Response

    async def wait(self, flow: WaitingFlow, size: int) -> None:
        """Count bytes that were read of an answer; return when more may be read."""
        if flow.grow_now(size):
            return
        scope = self._scopes.get(asyncio.current_task())
        if scope is None:
            await flow.room()
            return
        left_s, scope.deadline = scope.deadline - anyio.current_time(), math.inf
        await flow.room()
        scope.deadline = anyio.current_time() + left_s
