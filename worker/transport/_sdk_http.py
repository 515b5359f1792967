"""The SDK's HTTP, with turns: a request is written when it is its turn, on a sound connection.

aiohttp gives a request a connection, and a task of its own to write it. Here this task asks for the
turn first, so that nothing lies between the turn and the write.
"""

from __future__ import annotations

import asyncio
import select
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

from worker.runtime.patience import Patience
from worker.transport.base import Turn


class Handler(ResponseHandler):
    """A connection that knows whether a request may be sent on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._socket = select.poll()
        self.is_used = False  # a request was sent on it
        self.is_held = False  # a request waits on it for its turn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._socket.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer; nobody has asked for one while the request is held."""
        if self.is_held:
            self.abort()
        else:
            super().data_received(data)

    def may_be_asked(self) -> bool:
        """Return whether nothing has arrived that nobody asked for, neither bytes nor an end.

        The socket itself is asked, too; but not of a new connection, where what it has to say may
        be the end of a TLS handshake.
        """
        if not self.is_connected() or self.should_close:
            return False
        return not (self.is_used and self._socket.poll(0))


class Departure:
    """One call's way to its turn, on whatever connection it gets."""

    def __init__(self, turn: Turn, patience: Patience) -> None:
        self._turn = turn
        self._patience = patience
        self._answer: asyncio.Future[bool] | None = None
        self.has_left = self.is_sent_back = False
        self.is_stale = False  # the connection it got was used, and is not to be used again

    def go(self, _: float) -> bool:
        """Go on, soon: see Ready.go."""
        self._end_wait(is_turn=True)
        return False

    def send_back(self) -> None:
        """See Ready.send_back."""
        self._end_wait(is_turn=False)

    def call_off(self) -> None:
        """Give up what has not left."""
        if not self.has_left:
            self.is_sent_back = True
            self._patience.end()

    def end(self) -> None:
        """Wait no more: the call has ended."""
        self._end_wait(is_turn=False)

    def left(self) -> None:
        """Note that the request is written."""
        self._turn.left()

    def _end_wait(self, *, is_turn: bool) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(is_turn)

    async def wait(self, handler: Handler) -> bool:
        """Return True when the request is to be written at once, False when it must not be."""
        self._patience.rest()
        handler.is_held, self.is_stale = True, handler.is_used
        try:
            while True:
                self._answer = asyncio.get_running_loop().create_future()
                self._turn.ask(self)
                if not await self._answer:
                    self.is_sent_back = True
                    return False
                if not handler.may_be_asked():
                    return False
                if self._turn.take():
                    break
        finally:
            handler.is_held = False
        self.has_left, self.is_stale, handler.is_used = True, False, True
        self._patience.begin()
        return True


# Of the call that a task makes: aiohttp has no other way to hand it on to the request.
DEPARTURE: ContextVar[Departure] = ContextVar("departure")


class Request(aiohttp.ClientRequest):
    """A request that is written at its turn."""

    async def write_bytes(self, writer: Any, conn: Any, content_length: int | None = None) -> None:
        """Write head and body, or end the connection where they must not be written."""
        departure = DEPARTURE.get()
        if await departure.wait(conn.protocol):
            await super().write_bytes(writer, conn, content_length)
            departure.left()
        elif conn.protocol is not None:
            conn.protocol.abort()
