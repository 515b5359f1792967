"""One HTTP/1.1 connection over an asyncio transport: a request out, its answer back, and again.

Parsing is httptools' (llhttp). What is here decides when an answer is whole, whether it may be
trusted, and whether the connection may be used again: only when nothing is left over, on either
side. Source: RFC 9112.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from dataclasses import dataclass, field

import httptools

from worker.model import Failure
from worker.personalize.error_codes import CONNECTION_LOST, INVALID_ANSWER
from worker.personalize.limits import BODY_BYTES_MAX
from worker.runtime.clock import Clock
from worker.transport.base import SENT_BACK, Turn
from worker.transport.intake import Flow, Intake

HEAD_BYTES_MAX = 64 << 10
ANSWER_BYTES_MAX = 2 * BODY_BYTES_MAX  # as received: with chunk sizes, trailers
# What a request ends with that has not left: it may be sent on another connection.
UNSENT = Failure(CONNECTION_LOST, "the request was not sent: its connection was at its end")


@dataclass(slots=True)
class Reply:
    """A whole answer. Header names are in lower case; of a repeated one the last counts."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    ends_with_connection: bool = False  # and has no length

    def header(self, name: bytes) -> str | None:
        """Return a header's value."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class Connection(asyncio.Protocol):
    """A connection of the pool. At most one request is open on it at any time."""

    def __init__(
        self,
        *,
        intake: Intake | None = None,
        clock: Clock,
        on_free: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self._clock = clock
        self._unsent: bytes | None = None  # the open request, until it is written
        self._is_first = False  # of the connection
        self._flow = Flow(intake or Intake(), self._read_on)
        self._waits_since_s: float | None = None  # for room, without reading
        self._waited_s = 0.0  # the open request, or else the last one
        self._on_free = on_free
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._socket = select.poll()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Reply | Failure] | None = None
        self._reply = Reply()
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._received_bytes = 0  # of an answer, the interim ones before it included
        self._in_head = True
        self._ends_with_connection = False
        self._is_late = False  # it would have been given up
        self.since_s = clock.now_s()  # when the open request, or else the last one, left

    # What the pool and the transport call.

    def send(
        self, request: bytes, turn: Turn, *, is_first: bool = False
    ) -> asyncio.Future[Reply | Failure]:
        """Send one request at its turn; the future brings its whole answer, or why there is none.

        It is UNSENT when there is something to read before it is written; unless it `is_first`,
        when that may be the end of a TLS handshake. It is SENT_BACK when the turn does not come.

        Whoever stops waiting before it is done must `abort`: the answer may still come.
        """
        if self._waiter is not None or self._transport is None:
            raise RuntimeError("a connection was used twice at a time, or after its end")
        waiter = self._waiter = self._loop.create_future()
        self._unsent, self._is_first = request, is_first
        turn.ask(self)
        return waiter

    def go(self, now_s: float) -> bool:
        """Write the request that waits for its turn; return whether it was: see Ready.go."""
        request, self._unsent = self._unsent, None
        if self._waiter is None or self._transport is None or request is None:
            return False  # it has ended meanwhile
        if self.is_open if self._is_first else self.is_usable:
            self.since_s, self._waited_s, self._is_late = now_s, 0.0, False
            self._transport.write(request)
            return True
        self._finish(UNSENT)
        self.abort()
        return False

    def send_back(self) -> None:
        """Give up the request that waits for its turn: see Ready.send_back."""
        if self._unsent is not None:
            self._unsent = None
            if self._finish(SENT_BACK):
                self._on_free(self)

    @property
    def is_open(self) -> bool:
        """Whether it has not ended, and nobody has ended it."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent: nothing has arrived, no end and no byte.

        The socket itself is asked. What the event loop has yet to read came before the request,
        so it can only be the end of the connection, or an answer to nobody.
        """
        return self.is_open and not self._socket.poll(0)

    def fail(self, code: str, message: str) -> None:
        """End the open request with a failure, and the connection with it.

        What it holds is free at once, before other connections are found to hold too much.
        """
        self._finish(Failure(code=code, message=message))
        self._body = []
        self._let_go()
        self.abort()

    def give_up(self, code: str, message: str) -> None:
        """Fail; but once, read first what has arrived and is not read yet."""
        if self._is_late or not self._socket.poll(0):
            self.fail(code, message)
        self._is_late = True

    def abort(self) -> None:
        """End the connection at once; an open request ends with it."""
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """End an idle connection in an orderly way."""
        if self._transport is not None:
            self._transport.close()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport  # type: ignore[assignment] # a stream's transport is one
        self._socket.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Parse; what nobody asked for ends the connection."""
        if self._waiter is None or self._unsent is not None:
            self.abort()
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise  # a bug in this class
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(CONNECTION_LOST, f"the answer is not HTTP: {error}")
            return
        if self._received_bytes > HEAD_BYTES_MAX:
            self._check_bounds()

    def _check_bounds(self) -> None:
        if self._in_head:
            self.fail(CONNECTION_LOST, f"an answer's head has over {HEAD_BYTES_MAX} bytes")
        elif self._received_bytes > ANSWER_BYTES_MAX:
            self.fail(CONNECTION_LOST, f"an answer has over {ANSWER_BYTES_MAX} bytes")
        elif self._waiter is not None:
            grown = self._received_bytes - self._flow.held_bytes
            if not self._flow.grow(grown) and self._waits_since_s is None:
                self._waits_since_s = self._clock.now_s()
                if self._transport is not None:
                    self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._waits_since_s is not None:
            self._waited_s += self._clock.now_s() - self._waits_since_s
            self._waits_since_s = None
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def is_late(self, now_s: float, timeout_s: float) -> bool:
        """Return whether a request left longer ago; waiting for room here does not count."""
        if self._waiter is None or self._unsent is not None or self._waits_since_s is not None:
            return False
        return now_s - self.since_s - self._waited_s >= timeout_s

    def connection_lost(self, exc: Exception | None) -> None:
        """End; an answer that ends with the connection is whole now."""
        self._transport = None
        self._let_go()
        if self._waiter is not None:
            if self._unsent is not None:
                self._finish(UNSENT)
            elif self._ends_with_connection and exc is None:
                self._reply.ends_with_connection = True
                self._deliver()
            else:
                self._finish(Failure(code=CONNECTION_LOST, message=self._how_lost(exc)))
        self._on_lost(self)

    def _how_lost(self, exc: Exception | None) -> str:
        when = "in the middle of an answer" if self._received_bytes else "before an answer"
        return f"the connection ended {when}{f': {exc}' if exc else ''}"

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A second answer to one request: nobody knows whose it is."""
        if self._waiter is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; a trailer, which comes after the body, is none."""
        if self._in_head:
            self._reply.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """See how the answer will end."""
        self._in_head = False
        headers = self._reply.headers
        self._ends_with_connection = not (
            b"content-length" in headers or b"transfer-encoding" in headers
        )

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, within bounds."""
        self._body_bytes += len(body)
        if self._body_bytes <= BODY_BYTES_MAX:
            self._body.append(body)
        elif self._waiter is not None:
            self.fail(INVALID_ANSWER, f"the answer has over {BODY_BYTES_MAX} bytes")

    def on_message_complete(self) -> None:
        """Deliver the answer; an interim one (1xx) is none."""
        if self._waiter is None:
            return
        if self._parser.get_status_code() < 200:
            self._clear()
        else:
            self._deliver()

    def _deliver(self) -> None:
        reply = self._reply
        reply.status = self._parser.get_status_code()
        reply.body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        may_go_on = self._may_go_on()
        self._clear()
        self._let_go()
        self._received_bytes = 0
        if self._finish(reply) and may_go_on:
            self._on_free(self)
        elif self._transport is not None:
            self._transport.abort()

    def _may_go_on(self) -> bool:
        """Return whether another request may follow: nothing is unsent, no side wants to close."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and not self._ends_with_connection
            and self._parser.should_keep_alive()
            and self._transport.get_write_buffer_size() == 0
        )

    def _clear(self) -> None:
        self._reply = Reply()
        self._body = []
        self._body_bytes = 0
        self._in_head, self._ends_with_connection = True, False

    def _let_go(self) -> None:
        if self._flow.held_bytes:
            self._flow.end()
            self._read_on()

    def _finish(self, result: Reply | Failure) -> bool:
        """End the open request; False when there is none, or nobody waits for it any more."""
        waiter, self._waiter = self._waiter, None
        if waiter is None or waiter.done():
            return False
        waiter.set_result(result)
        return True
