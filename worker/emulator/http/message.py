"""Requests and answers as values, and an answer's bytes.

Every answer has x-amzn-RequestId, Date and Connection, whatever it answers and whatever went
wrong; errors have x-amzn-ErrorType (reference: headers of captured answers, botocore's parsers).
"""

from __future__ import annotations

import gzip
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final
from uuid import uuid4

import orjson

from worker.emulator.conditions.weather import Fate
from worker.emulator.errors import ServiceFault

BODY_BYTES_MAX: Final = 4 * 1024 * 1024
"""More than any request within the model's limits needs, even with every character escaped."""

HEAD_BYTES_MAX: Final = 64 * 1024
"""Request line and headers together; no SDK sends a tenth of it."""

REST_JSON: Final = "application/json"
JSON_1_1: Final = "application/x-amz-json-1.1"
_CHUNKS: Final = 3
_GZIP_LEVEL: Final = 1


@dataclass(slots=True, kw_only=True)
class Request:
    """One HTTP request. Header names are lower case; values of equal names are joined by commas."""

    method: str
    target: str  # as it came: path and query
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = "127.0.0.1"  # the client's address
    http_1_0: bool = False
    keep_alive: bool = True


@dataclass(slots=True, kw_only=True)
class Answer:
    """One HTTP answer."""

    status: int
    content: bytes
    media_type: str = REST_JSON
    error: str | None = None  # the code for x-amzn-ErrorType


def refusal(fault: ServiceFault, media_type: str = REST_JSON) -> Answer:
    """Return the answer to a refused request, in the shape that goes with the media type."""
    content = {"message": fault.message}
    if media_type == JSON_1_1:
        content["__type"] = fault.code
    return Answer(
        status=fault.status,
        content=orjson.dumps(content),
        media_type=media_type,
        error=fault.code,
    )


def plain(status: int, code: str, message: str) -> Answer:
    """Return the answer to something that is no request of the service."""
    # what came may hold bytes that are no text, and the parser may quote them
    return refusal(ServiceFault(code, status, message.encode("ascii", "replace").decode()))


def body_too_long() -> Answer:
    """Return the answer to a body over the limit."""
    text = f"the request body is longer than {BODY_BYTES_MAX} bytes"
    return plain(413, "RequestEntityTooLargeException", text)


def head_too_long() -> Answer:
    """Return the answer to a request line and headers over the limit."""
    text = f"the request line and headers are longer than {HEAD_BYTES_MAX} bytes"
    return plain(431, "RequestHeaderFieldsTooLarge", text)


def encoded(
    answer: Answer, fate: Fate, request: Request | None, *, close: bool
) -> tuple[bytes, bytes]:
    """Return head and body as they go over the wire; no request: what came could not be read."""
    body = answer.content
    lines = [
        f"HTTP/1.1 {answer.status} {_reason(answer.status)}",
        f"content-type: {answer.media_type}",
        f"date: {_date(int(time.time()))}",
        f"x-amzn-RequestId: {uuid4()}",
        f"connection: {'close' if close else 'keep-alive'}",
    ]
    if answer.error is not None:
        lines.append(f"x-amzn-ErrorType: {answer.error}")
    if fate.gzip and request is not None and _accepts_gzip(request):
        body = gzip.compress(body, _GZIP_LEVEL, mtime=0)
        lines.append("content-encoding: gzip")
    is_chunked = fate.chunked and request is not None and not request.http_1_0
    lines.append("transfer-encoding: chunked" if is_chunked else f"content-length: {len(body)}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    if request is not None and request.method == "HEAD":
        return head, b""
    return head, _chunked(body) if is_chunked else body


def _accepts_gzip(request: Request) -> bool:
    for coding in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = coding.partition(";")
        if name.strip() == "gzip":
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _chunked(body: bytes) -> bytes:
    step = max(1, -(-len(body) // _CHUNKS))
    pieces = [body[at : at + step] for at in range(0, len(body), step)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@lru_cache(maxsize=1)
def _date(unix_s: int) -> str:
    return formatdate(unix_s, usegmt=True)


@lru_cache(maxsize=64)
def _reason(status: int) -> str:
    return HTTPStatus(status).phrase
