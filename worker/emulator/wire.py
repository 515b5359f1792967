"""HTTP/1.1 on asyncio and httptools: requests in, answers out, as badly as the weather wants.

A server of its own, since resets, cut bodies and the like need the transport. It keeps connections
alive, answers pipelined requests in their order, reads chunked bodies and says 100 Continue.

Limits: 64 KiB of request line and headers (431), `BODY_BYTES_MAX` of body (413, sent when the body
has been read and thrown away, or at once to a client that waits for 100 Continue), 64 MiB of either
for one request (the connection is cut); reading pauses while `PIPELINED_MAX` requests wait. What is
not HTTP gets 400 and the end of the connection.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any, Final, cast

import httptools

from worker.emulator.message import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    Answer,
    Request,
    body_too_long,
    encoded,
    head_too_long,
    plain,
)
from worker.emulator.weather import FAIR, Fate

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
PIPELINED_MAX: Final = 64
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
        self._parser: Any = httptools.HttpRequestParser(self)
        self._waiting: deque[Request | Answer] = deque()  # an Answer refuses what came there
        self._timer: asyncio.TimerHandle | None = None  # of the answer that is under way
        self._answering = False
        self._writable = True
        self._deaf = False  # nothing that comes now is read any more
        self._closing = False  # no answer after the one under way
        self._continue_due = False
        self._message_bytes = 0
        self._begin()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and begin to watch for idleness."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._peer = str(peer[0]) if peer else ""
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
        self._deaf = self._closing = True
        self.lost.set()
        self._parser = None  # which knows this object: a cycle

    def eof_received(self) -> bool:
        """Answer what was asked before the client's end, then close."""
        self._deaf = True
        self._close_when_answered()
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
        if self._deaf:
            return
        self._active_s = self._loop.time()
        self._message_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # it wants another protocol: this request is answered, then no more
            self._close_when_answered()
        except httptools.HttpParserCallbackError:
            raise  # a bug in here; asyncio logs it and closes the connection
        except httptools.HttpParserError as error:
            self._refuse(plain(400, "BadRequest", f"the request is not HTTP/1.1: {error}"))
        if self._parser is None or self._deaf:
            return
        if self._message_bytes > MESSAGE_BYTES_MAX:
            self._transport.abort()
        elif not self._head_done and self._message_bytes > HEAD_BYTES_MAX:
            self._refuse(head_too_long())
        elif len(self._waiting) >= PIPELINED_MAX:
            self._transport.pause_reading()

    # What httptools calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are left out."""
        if not self._head_done:
            key = name.decode("latin-1").lower()
            text = value.decode("latin-1")
            self._head_bytes += len(name) + len(value)
            self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Say 100 Continue to a client that waits for it."""
        self._head_done = True
        if self._deaf:
            return
        if self._parser.get_http_version() == "1.0":
            self._headers.pop("expect", None)  # RFC 9110, 10.1.1
        if self._head_bytes + len(self._target) > HEAD_BYTES_MAX:
            self._refuse(head_too_long())
        elif self._headers.get("expect", "").lower() == "100-continue":
            length = self._headers.get("content-length", "0")
            if length.isdecimal() and int(length[:20]) > BODY_BYTES_MAX:
                self._refuse(body_too_long())
            elif self._answering or self._waiting:
                self._continue_due = True
            else:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, or throw it away once there is too much."""
        self._body_bytes += len(body)
        if self._body_bytes <= BODY_BYTES_MAX:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        """Queue the request; parsed requests are answered in their order."""
        self._message_bytes = 0
        if self._deaf:
            return
        self._continue_due = False
        if self._body_bytes > BODY_BYTES_MAX:
            self._refuse(body_too_long())
            return
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            target=bytes(self._target).decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._body),
            peer=self._peer,
            http_1_0=self._parser.get_http_version() == "1.0",
            keep_alive=self._parser.should_keep_alive() and not self._parser.should_upgrade(),
        )
        if not request.keep_alive:
            self._deaf = True
        self._waiting.append(request)
        self._next()

    # What the server calls

    def finish(self) -> None:
        """Close at once if nothing is under way, else after the answer."""
        if not self._answering and not self._waiting and not self._message_bytes:
            self._transport.close()
        else:
            self._closing = True

    def abort(self) -> None:
        """Cut the connection."""
        self._transport.abort()

    # Helpers

    def _begin(self) -> None:
        self._target = bytearray()
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._head_done = False
        self._body: list[bytes] = []
        self._body_bytes = 0

    def _refuse(self, answer: Answer) -> None:
        """Queue the last answer of this connection."""
        if not self._deaf:
            self._deaf = True
            self._waiting.append(answer)
            self._next()

    def _next(self) -> None:
        """Begin the next answer, unless one is under way."""
        if self._answering or not self._writable or self._transport.is_closing():
            return
        if not self._waiting:
            if self._deaf:
                self._transport.close()
            elif self._continue_due:
                self._continue_due = False
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
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
            self._transport.close()
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
            self._deaf = True
            self._transport.close()
        elif self._waiting or self._deaf or self._continue_due:
            self._loop.call_soon(self._next)  # not at once: a pipeline is no recursion

    def _close_when_answered(self) -> None:
        if not self._answering and not self._waiting:
            self._transport.close()

    def _end_if_idle(self) -> None:
        if self._answering or (self._waiting and self._writable):
            self._active_s = self._loop.time()
        left_s = self._active_s + self._keep_alive_s - self._loop.time()
        if left_s <= 0:
            self._transport.abort()  # close() would wait for a client that does not read
        else:
            self._idle_timer = self._loop.call_later(left_s, self._end_if_idle)
