"""What an HTTP answer means: one reading for all transports. Pure."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

import orjson

from worker.aws.redact import redacted_id
from worker.model import Answer, Failure
from worker.personalize.answer_shape import AnswerShape, flaw
from worker.personalize.error_codes import CONNECTION_LOST, INVALID_ANSWER
from worker.personalize.limits import BODY_BYTES_MAX

ERROR_TYPE = b"x-amzn-errortype"  # the header that has an error's code
_PARSED_BYTES_MAX = 64 << 10
_PIECE_BYTES = 256 << 10
# A string of JSON: what is left of a body without them has no quotes, unless it ends in one.
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
CUT = Failure(CONNECTION_LOST, "the connection ended in the middle of an answer")
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's window bits, which choose the format


class EncodedError(ValueError):
    """Raised for a body whose Content-Encoding cannot be undone."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer_of(
    body: bytes,
    *,
    shape: AnswerShape,
    status: int,
    request_id: str | None,
    ends_with_connection: bool = False,
) -> Answer | Failure:
    """Return the answer in the body of an HTTP 2xx, or why it is none.

    One that `ends_with_connection` has no length: only its JSON shows whether it is whole.
    """
    if ends_with_connection and is_cut(body):
        return CUT
    if request_id is not None:
        request_id = redacted_id(request_id)
    if reason := _flaw(body, shape):
        return Failure(INVALID_ANSWER, reason, status, request_id)
    return Answer(body, request_id)


def _flaw(body: bytes, shape: AnswerShape) -> str | None:
    """Return why a body cannot be an answer: soon enough to make no further call for such.

    One that is large, or has the operation's list, is not parsed here. Many are parsed at once
    later (codec), which has the last word.
    """
    if not body.lstrip().startswith(b"{"):
        return "the answer is not a JSON object"
    if len(body) > _PARSED_BYTES_MAX or shape.list_begins.search(body):
        return None
    try:
        return flaw(orjson.loads(body), shape)
    except ValueError:  # orjson.JSONDecodeError is one
        return "the answer is not JSON"


def is_cut(body: bytes) -> bool:
    """Return whether a body is the beginning of a JSON object, or nothing at all."""
    if not body.lstrip().startswith(b"{"):
        return not body.strip()
    try:
        orjson.loads(body)
    except ValueError:  # orjson.JSONDecodeError is one
        rest = _STRING.sub(b"", body)
        return b'"' in rest or rest.count(b"{") > rest.count(b"}")
    return False


def is_cut_error(body: bytes, error_type: str | None) -> bool:
    """Return whether the body of an HTTP error is cut, in which its code would be."""
    return not error_type and body.lstrip().startswith(b"{") and is_cut(body)


def undecodable(error: EncodedError, *, status: int, request_id: str | None) -> Failure:
    """Return what an answer is whose Content-Encoding cannot be undone."""
    return Failure(error.code, str(error), status, request_id and redacted_id(request_id))


def sound_error(body: bytes, *, encoding: str | None) -> bytes:
    """Return the body of an HTTP error if the SDK's parser can be given it; else an empty object.

    The parser knows where codes and messages are, but not what to do with bytes that are no text,
    or a code that is a number.
    """
    try:
        body = b"".join(decoded(body, encoding)) if encoding else body
        error = orjson.loads(body)
    except ValueError:  # orjson.JSONDecodeError is one
        return b"{}"
    is_sound = isinstance(error, dict) and all(isinstance(value, str) for value in error.values())
    return body if is_sound else b"{}"


def decoded(body: bytes, encoding: str) -> Iterator[bytes]:
    """Undo a Content-Encoding, within the bound of a body, a piece at a time."""
    name = encoding.strip().lower()
    if name in ("", "identity") or not body:
        yield body
        return
    if name in ("gzip", "x-gzip"):
        window_bits = _GZIP
    elif name == "deflate":  # some servers leave zlib's header out
        window_bits = _ZLIB if body[0] & 0x0F == zlib.DEFLATED else _RAW
    else:
        raise EncodedError(
            INVALID_ANSWER, f"the answer has an unknown Content-Encoding: {name[:40]!r}"
        )
    inflater, size = zlib.decompressobj(window_bits), 0
    while True:
        try:
            piece = inflater.decompress(body, _PIECE_BYTES)
        except zlib.error as error:
            message = f"the answer cannot be decompressed: {error}"
            raise EncodedError(CONNECTION_LOST, message) from None
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise EncodedError(INVALID_ANSWER, f"the answer has over {BODY_BYTES_MAX} bytes")
        if piece:
            yield piece
        body = inflater.unconsumed_tail
        if inflater.eof or not (piece or body):
            break
    if not inflater.eof or inflater.unused_data:
        raise EncodedError(CONNECTION_LOST, "the compressed answer does not end where it should")
