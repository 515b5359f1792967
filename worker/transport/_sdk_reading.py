"""Answers' bodies as the SDK's HTTP client reads them: counted, and waited with for room."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from worker.aws.client import BoundedResponse
from worker.runtime.patience import Patience
from worker.transport.intake import Intake, WaitingFlow


class Reading:
    """Shared by the calls of one client. Time in which one waits here is none that it takes."""

    def __init__(self, intake: Intake) -> None:
        self.intake = intake
        self._patience: dict[object, Patience] = {}  # by the task whose call it ends

    @contextmanager
    def timed_by(self, patience: Patience) -> Iterator[None]:
        """Wrap a call that `patience` ends."""
        task = asyncio.current_task()
        self._patience[task] = patience
        try:
            yield
        finally:
            del self._patience[task]

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
        patience = self._patience.get(asyncio.current_task())
        if patience is not None:
            patience.pause()
        await flow.room()
        if patience is not None:
            patience.go_on()
