"""HTTP/1.1 as it comes in: bytes to requests, or to the refusal that ends them. No sockets here.

httptools parses and is strict about framing: two Content-Length, one beside Transfer-Encoding, bare
line feeds and folded lines are 400. Refused here are what it lets through: no Host or a second one
(400, RFC 9112, 3.2), a transfer coding other than chunked (501) or one in HTTP/1.0 (400, 6.1), and
versions other than 1.0 and 1.1 (505). Trailers are thrown away.

Limits: 64 KiB of request line and headers (431); `BODY_BYTES_MAX` of body (413, when the body has
been read and thrown away, or at once to a client that waits for 100 Continue, or after 64 MiB).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import httptools

from worker.emulator.http.message import (
    BODY_BYTES_MAX,
    HEAD_BYTES_MAX,
    Answer,
    Request,
    body_too_long,
    head_too_long,
    plain,
)

MESSAGE_BYTES_MAX: Final = 64 * 1024 * 1024
# No comma, though a name may have one: it is how two Hosts are joined
_HOST: Final = re.compile(r"(\[[\w:.%~-]+\]|[\w.~!$&'()*+;=%-]*)(:\d*)?", re.ASCII)
_ABSOLUTE: Final = re.compile(r"https?://([^/?#]+)(.*)", re.IGNORECASE)


class Incoming:
    """What one client sends: `take` gets each request, and at last perhaps a refusal.

    `expect` is called when a client waits for 100 Continue before it sends a body.
    """

    def __init__(
        self,
        peer: str,
        *,
        take: Callable[[Request | Answer], None],
        expect: Callable[[], None],
    ) -> None:
        self.is_over = False  # nothing that comes now is read any more
        self.message_bytes = 0  # of the request that is coming
        self._peer = peer
        self._take = take
        self._expect = expect
        self._parser: Any = httptools.HttpRequestParser(self)
        self.on_message_begin()

    def feed(self, data: bytes) -> None:
        """Parse what came, unless it is over."""
        if self.is_over:
            return
        self.message_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.is_over = True  # it wants another protocol: this request is answered, then no more
        except httptools.HttpParserCallbackError:
            raise  # a bug in here; asyncio logs it and closes the connection
        except httptools.HttpParserError as error:
            self._refuse(plain(400, "BadRequest", f"the request is not HTTP/1.1: {error}"))
        if not self._head_done and self.message_bytes > HEAD_BYTES_MAX:
            self._refuse(head_too_long())
        elif self.message_bytes > MESSAGE_BYTES_MAX:
            self._refuse(body_too_long())

    def forget(self) -> None:
        """Let go of the parser, which knows this object: a cycle."""
        self.is_over = True
        self._parser = None

    # What httptools calls

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._url = bytearray()
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._head_done = False
        self._body: list[bytes] = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are left out."""
        self._head_bytes += len(name) + len(value) + 4  # colon, space, CRLF
        if not self._head_done and self._head_bytes <= HEAD_BYTES_MAX:
            key = name.decode("latin-1").lower()
            text = value.decode("latin-1").strip(" \t")
            self._headers[key] = f"{self._headers[key]},{text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Refuse what cannot be answered, and tell of a client that waits for 100 Continue."""
        self._head_done = True
        if self.is_over:
            return
        self._version = self._parser.get_http_version()
        self._target = self._url.decode("latin-1")
        expects = self._headers.get("expect", "").lower() == "100-continue"
        refusal = self._objection()
        if refusal is not None:
            self._refuse(refusal)
        elif expects and self._version == "1.1":  # not 1.0: RFC 9110, 10.1.1
            length = self._headers.get("content-length", "0")
            if int(length[:20]) > BODY_BYTES_MAX:
                self._refuse(body_too_long())
            else:
                self._expect()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, or throw it away once there is too much."""
        self._body_bytes += len(body)
        if self._body_bytes <= BODY_BYTES_MAX:
            self._body.append(body)
        else:
            self._body.clear()

    def on_message_complete(self) -> None:
        """Hand over the request."""
        self.message_bytes = 0
        if self.is_over:
            return
        if self._body_bytes > BODY_BYTES_MAX:
            self._refuse(body_too_long())
            return
        request = Request(
            method=self._parser.get_method().decode("latin-1"),
            target=self._target,
            headers=self._headers,
            body=b"".join(self._body),
            peer=self._peer,
            http_1_0=self._version == "1.0",
            keep_alive=self._parser.should_keep_alive() and not self._parser.should_upgrade(),
        )
        self.is_over = not request.keep_alive
        self._take(request)

    # Helpers

    def _refuse(self, answer: Answer) -> None:
        if not self.is_over:
            self.is_over = True
            self._take(answer)

    def _objection(self) -> Answer | None:
        """Return why the head is refused, if it is; set target and Host by an absolute target.

        The authority of an absolute target takes the place of Host (RFC 9112, 3.2.2).
        """
        if self._head_bytes + len(self._url) > HEAD_BYTES_MAX:
            return head_too_long()
        if self._version not in {"1.0", "1.1"}:
            text = f"HTTP/{self._version} is not spoken here, HTTP/1.1 is"
            return plain(505, "HTTPVersionNotSupported", text)
        coding = self._headers.get("transfer-encoding")
        if coding is not None and coding.lower() != "chunked":
            return plain(501, "NotImplemented", f"the transfer coding {coding} is not known")
        if coding is not None and self._version == "1.0":
            return plain(400, "BadRequest", "HTTP/1.0 has no Transfer-Encoding")
        is_named = _HOST.fullmatch(self._headers.get("host", "" if self._version == "1.0" else ","))
        if not self._target.startswith("/") and (absolute := _ABSOLUTE.fullmatch(self._target)):
            self._headers["host"], rest = absolute.groups()
            self._target = rest if rest.startswith("/") else f"/{rest}"
            is_named = is_named and _HOST.fullmatch(self._headers["host"])
        if not is_named:
            return plain(400, "BadRequest", "the request must have one Host, which is a name")
        return None
