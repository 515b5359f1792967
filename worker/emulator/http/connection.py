"""HTTP/1.1 on asyncio: takes requests from `parse`, sends answers as badly as the weather wants.

A server of its own, since resets, cut bodies and the like need the transport. It keeps connections
alive, answers pipelined requests in their order and says 100 Continue; it stops reading while
`PIPELINED_MAX` requests wait.

A last answer arrives though the client is still sending: closing a socket with unread bytes resets
the connection, and the reset may overtake the answer. So this side's half is closed first, and what
comes is thrown away until the client's end, for `LINGER_S` or `LINGER_BYTES_MAX` at most (RFC 9112,
9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, cast

from worker.emulator.conditions.weather import FAIR, Fate
from worker.emulator.http.message import Answer, Request, encoded
from worker.emulator.http.parse import Incoming

LINGER_BYTES_MAX: Final = 64 * 1024 * 1024
LINGER_S: Final = 2.0
PIPELINED_MAX: Final = 64
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_SLOW_PIECES: Final = 10
_RESET: Final = struct.pack("ii", 1, 0)  # linger for 0 s: close() sends RST

Handler = Callable[[Request], tuple[Answer, Fate, float]]
"""Answers a request: what, its fate on the wire, and the seconds to wait before it is sent."""


class Connection(asyncio.Protocol):
    """One client's connection: parses, hands requests over one by one, sends the answers."""

    def __init__(
        self, handler: Handler, connections: set[Connection], *, keep_alive_s: float
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._keep_alive_s = keep_alive_s
        self._loop = asyncio.get_running_loop()
        self.lost = asyncio.Event()  # set once the connection is closed
        self._waiting: deque[Request | Answer] = deque()  # an Answer refuses what came there
        self._timer: asyncio.TimerHandle | None = None  # of the answer under way, or of the end
        self._answering = False
        self._writable = True
        self._closing = False  # no answer after the one under way
        self._continue_due = False
        self._client_ended = False
        self._lingering = False  # all is answered; what comes is thrown away
        self._linger_bytes = 0

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and begin to watch for idleness."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._incoming = Incoming(
            str(peer[0]) if peer else "", take=self._take, expect=self._expect
        )
        self._connections.add(self)
        self._active_s = self._loop.time()
        self._idle_timer = self._loop.call_later(self._keep_alive_s, self._end_if_idle)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection and what was to be answered on it."""
        del exc
        self._connections.discard(self)
        self._idle_timer.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._waiting.clear()
        self._closing = True
        self.lost.set()
        self._incoming.forget()

    def eof_received(self) -> bool:
        """Answer what was asked before the client's end, then close."""
        self._client_ended = self._incoming.is_over = True
        if self._lingering or not (self._answering or self._waiting):
            self._transport.close()
        return True

    def pause_writing(self) -> None:
        """Answer no more while the client doesn't read."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on answering."""
        self._writable = True
        self._next()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and begin to answer."""
        if self._lingering:
            self._linger_bytes += len(data)
            if self._linger_bytes > LINGER_BYTES_MAX:
                self._transport.abort()
        elif not self._incoming.is_over:
            self._active_s = self._loop.time()
            self._incoming.feed(data)
            if len(self._waiting) >= PIPELINED_MAX:
                self._transport.pause_reading()

    # What the server calls

    def finish(self) -> None:
        """Close at once if nothing is under way, else after the answer."""
        if not self._answering and not self._waiting and not self._incoming.message_bytes:
            self._transport.close()
        else:
            self._closing = True

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # Helpers

    def _take(self, asked: Request | Answer) -> None:
        """Queue what is to be answered."""
        self._continue_due = False
        self._waiting.append(asked)
        self._next()

    def _expect(self) -> None:
        """Say 100 Continue, after the answers before it."""
        if self._answering or self._waiting:
            self._continue_due = True
        else:
            self._transport.write(_CONTINUE)

    def _next(self) -> None:
        """Begin the next answer, unless one is under way."""
        if self._answering or not self._writable or self._transport.is_closing():
            return
        if not self._waiting:
            if self._incoming.is_over:
                self._end()
            elif self._continue_due:
                self._continue_due = False
                self._transport.write(_CONTINUE)
            return
        self._answering = True
        asked = self._waiting.popleft()
        if isinstance(asked, Answer):
            self._send(asked, FAIR, None)
            return
        if len(self._waiting) < PIPELINED_MAX // 2 and not self._transport.is_reading():
            self._transport.resume_reading()
        answer, fate, wait_s = self._handler(asked)
        if wait_s > 0:
            self._timer = self._loop.call_later(wait_s, self._send, answer, fate, asked)
        else:
            self._send(answer, fate, asked)

    def _send(self, answer: Answer, fate: Fate, request: Request | None) -> None:
        if fate.reset:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
            return
        close = self._closing or fate.close or request is None or not request.keep_alive
        head, body = encoded(answer, fate, request, close=close)
        if fate.cut and body:
            self._transport.write(head + body[: len(body) // 2])
            self._answered(close=True)
        elif fate.slow_s and body:
            self._transport.write(head)
            step = -(-len(body) // _SLOW_PIECES)
            pieces = deque(body[at : at + step] for at in range(0, len(body), step))
            self._send_slowly(pieces, fate.slow_s / len(pieces), close)
        else:
            self._transport.write(head + body)
            self._answered(close)

    def _send_slowly(self, pieces: deque[bytes], pause_s: float, close: bool) -> None:
        def send() -> None:
            self._transport.write(pieces.popleft())
            self._send_slowly(pieces, pause_s, close)

        if pieces:
            self._timer = self._loop.call_later(pause_s, send)
        else:
            self._answered(close)

    def _answered(self, close: bool) -> None:
        self._answering = False
        self._timer = None
        self._active_s = self._loop.time()
        if close or self._closing:
            self._end()
        elif self._waiting or self._incoming.is_over or self._continue_due:
            self._loop.call_soon(self._next)  # not at once: a pipeline is no recursion

    def _end(self) -> None:
        """Close, in such a way that what was sent arrives."""
        self._incoming.is_over = True
        self._waiting.clear()
        if self._client_ended:
            self._transport.close()
        elif not self._lingering:
            self._lingering = True
            self._timer = self._loop.call_later(LINGER_S, self._transport.close)
            with contextlib.suppress(OSError):  # the client has gone
                self._transport.write_eof()
            self._transport.resume_reading()

    def _end_if_idle(self) -> None:
        if self._answering or (self._waiting and self._writable):
            self._active_s = self._loop.time()
        left_s = self._active_s + self._keep_alive_s - self._loop.time()
        if left_s <= 0:
            self._transport.abort()  # close() would wait for a client that does not read
        else:
            self._idle_timer = self._loop.call_later(left_s, self._end_if_idle)
