"""What an HTTP answer means: one reading for all transports. Pure."""

from __future__ import annotations

import zlib

import orjson

from worker.aws.redact import said_id
from worker.model import Answer, Failure
from worker.personalize.error_codes import CONNECTION_LOST, INVALID_ANSWER
from worker.personalize.limits import BODY_BYTES_MAX

_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits, which tell the format


class _EncodedError(ValueError):
    """Raised for a body whose Content-Encoding cannot be undone; never leaves this module."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer_of(
    body: bytes, *, status: int, encoding: str | None, request_id: str | None
) -> Answer | Failure:
    """Return the answer in the body of an HTTP 2xx, or why it is none."""
    if request_id is not None:
        request_id = said_id(request_id)
    if encoding:
        try:
            body = _decoded(body, encoding)
        except _EncodedError as error:
            return Failure(error.code, str(error), status, request_id)
    if not body.lstrip().startswith(b"{"):
        message = "the answer is not a JSON object"
        return Failure(INVALID_ANSWER, message, status, request_id)
    return Answer(body, request_id)


def sound_error(body: bytes, *, encoding: str | None) -> bytes:
    """Return the body of an HTTP error if the SDK's parser can be given it; else an empty object.

    The parser knows where codes and messages are, but not what to do with bytes that are no text,
    or a code that is a number.
    """
    try:
        body = _decoded(body, encoding) if encoding else body
        error = orjson.loads(body)
    except ValueError:  # orjson.JSONDecodeError is one
        return b"{}"
    is_sound = isinstance(error, dict) and all(isinstance(value, str) for value in error.values())
    return body if is_sound else b"{}"


def _decoded(body: bytes, encoding: str) -> bytes:
    """Undo a Content-Encoding, which nobody asked for, within the bound of a body."""
    name = encoding.strip().lower()
    if name in ("", "identity") or not body:
        return body
    if name in ("gzip", "x-gzip"):
        window_bits = _GZIP
    elif name == "deflate":  # some servers leave zlib's header out
        window_bits = _ZLIB if body[0] & 0x0F == zlib.DEFLATED else _RAW
    else:
        raise _EncodedError(INVALID_ANSWER, f"the answer has the Content-Encoding {name[:40]!r}")
    inflater = zlib.decompressobj(window_bits)
    try:
        decoded = inflater.decompress(body, BODY_BYTES_MAX + 1)
    except zlib.error as error:
        message = f"the answer cannot be decompressed: {error}"
        raise _EncodedError(CONNECTION_LOST, message) from None
    if len(decoded) > BODY_BYTES_MAX:
        raise _EncodedError(INVALID_ANSWER, f"the answer has over {BODY_BYTES_MAX} bytes")
    if not inflater.eof or inflater.unused_data:
        raise _EncodedError(CONNECTION_LOST, "the compressed answer does not end where it should")
    return decoded
