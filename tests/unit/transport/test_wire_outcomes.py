"""Whatever the service answers, `wire` makes of it what the SDK does, and so does the retrying."""

from __future__ import annotations

import gzip
import zlib

import pytest
from support.services import Peer, Talk, deaf_address, wired
from unit.transport.messages import CLOSES, answering, chunked, reply
from unit.transport.transports import both, opened

from worker.model import Answer, Failure
from worker.personalize.error_codes import Verdict, judge
from worker.personalize.limits import BODY_BYTES_MAX

BODY = b'{"itemList":[],"recommendationId":"\xc3\xbc"}'
ID = b"x-amzn-RequestId: request-1\r\n"
GZIP = ID + b"Content-Encoding: gzip\r\n"
ERROR = b'{"message":"in \xc3\xbc words","__type":"com.amazonaws#InvalidInputException"}'
BOMB = gzip.compress(b"{" + b" " * (BODY_BYTES_MAX + 10) + b"}")


def failing(status: int, body: bytes = b"", headers: bytes = b"") -> bytes:
    return reply(body, status=b"%d Reason" % status, headers=ID + headers)


def typed(status: int, error_type: str, message: str = "words") -> bytes:
    headers = f"x-amzn-ErrorType: {error_type}\r\n".encode()
    return failing(status, b'{"message":"%b"}' % message.encode(), headers)


def raw_deflate(body: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


ANSWERS = {
    "as-usual": reply(BODY, headers=ID),
    "without-a-request-id": reply(BODY),
    "with-white-space": reply(b"\r\n\t " + BODY, headers=ID),
    "in-chunks": chunked(BODY[:5], BODY[5:]),
    "with-trailers": chunked(BODY, trailers=ID),
    "201": reply(BODY, status=b"201 Created", headers=ID),
    "said-to-close": reply(BODY, headers=ID + CLOSES),
    "http-1.0": reply(BODY, version=b"1.0", headers=ID),
    "after-103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + reply(BODY, headers=ID),
    "gzip": reply(gzip.compress(BODY), headers=GZIP),
    "x-gzip": reply(gzip.compress(BODY), headers=ID + b"Content-Encoding: X-GZIP\r\n"),
    "deflate": reply(zlib.compress(BODY), headers=ID + b"Content-Encoding: deflate\r\n"),
    "raw-deflate": reply(raw_deflate(BODY), headers=ID + b"Content-Encoding: deflate\r\n"),
    "identity": reply(BODY, headers=ID + b"Content-Encoding: identity\r\n"),
    "no-encoding": reply(BODY, headers=ID + b"Content-Encoding:\r\n"),
}
ENDLESS_CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"
FAILURES = {
    **{f"{status}-without-a-body": failing(status) for status in (
        400, 401, 403, 404, 405, 408, 409, 410, 413, 418, 421, 424, 425, 426, 429, 431, 451,
        500, 501, 502, 503, 504, 505, 507, 511, 520, 599,
    )},
    "204": b"HTTP/1.1 204 No Content\r\n" + ID + b"\r\n",
    "205": reply(b"", status=b"205 Reset Content", headers=ID),
    "200-without-a-body": reply(b"", headers=ID),
    "200-html": reply(b"<html></html>", headers=ID),
    "200-list": reply(b"[]", headers=ID),
    "304": b"HTTP/1.1 304 Not Modified\r\n" + ID + b"\r\n",
    "300-without-a-location": failing(300),
    "type": typed(400, "InvalidInputException"),
    "type-with-a-colon": typed(400, "InvalidInputException:http://internal.amazon.com/coral/"),
    "type-with-a-hash": typed(400, "com.amazonaws.personalize#ResourceNotFoundException"),
    "type-with-both": typed(404, "com.amazonaws#ResourceNotFoundException:http://x/"),
    "type-that-is-empty": failing(400, ERROR, b"x-amzn-ErrorType:\r\n"),
    "type-and-another-in-the-body": failing(400, ERROR, b"x-amzn-ErrorType: AccessDenied\r\n"),
    "type-in-the-body": failing(400, ERROR),
    "code": failing(400, b'{"code":"ValidationException","message":"m"}'),
    "code-in-capitals": failing(400, b'{"Code":"ValidationException","Message":"M"}'),
    "message-in-capitals": failing(400, b'{"__type":"ValidationException","Message":"M"}'),
    "query-error": failing(400, ERROR, b"x-amzn-query-error: Other;Sender\r\n"),
    "error-without-words": failing(400, b'{"__type":"ValidationException"}'),
    "error-with-a-number": failing(403, b'{"__type":5,"message":null}'),
    "error-in-html": failing(502, b"<html><body>Bad Gateway</body></html>"),
    "error-in-text": failing(503, b"Service Unavailable"),
    "error-in-a-list": failing(500, b"[1]"),
    "error-in-bad-utf-8": failing(500, b'{"message":"\xff"}'),
    "error-of-a-surrogate": failing(500, b'{"message":"\\ud800"}'),
    "error-cut": failing(500, b'{"message":"'),
    "error-in-gzip": failing(400, gzip.compress(ERROR), b"Content-Encoding: gzip\r\n"),
    "error-in-broken-gzip": failing(403, b"nope", b"Content-Encoding: gzip\r\n"),
    "error-in-chunks": chunked(ERROR).replace(b"200 OK", b"400 Bad Request"),
    "throttled-400": typed(400, "ThrottlingException", "Rate exceeded"),
    "throttled-429": typed(429, "TooManyRequestsException"),
    "throttled-429-without-a-word": failing(429, b"", b"Retry-After: 1\r\n"),
    "throttled-503": typed(503, "SlowDown"),
    "unavailable": typed(503, "ServiceUnavailable"),
    "internal": typed(500, "InternalServerException"),
    "expired": typed(403, "ExpiredTokenException"),
    "denied": typed(403, "AccessDeniedException"),
    "unknown-operation": typed(404, "UnknownOperationException"),
    "gzip-cut": reply(gzip.compress(BODY)[:-9], headers=GZIP),
    "gzip-with-more": reply(gzip.compress(BODY) * 2, headers=GZIP),
    "gzip-of-nothing": reply(b"", headers=GZIP),
    "gzip-that-is-none": reply(BODY, headers=GZIP),
    "gzip-bomb": reply(BOMB, headers=GZIP),
    "brotli": reply(b"\x0b\x00", headers=ID + b"Content-Encoding: br\r\n"),
    "cut": ENDLESS_CUT,
    "chunks-cut": chunked(BODY)[:-9],
    "head-cut": b"HTTP/1.1 200 OK\r\nContent-",
    "nothing": b"",
    "no-http": b"SSH-2.0-OpenSSH_9\r\n",
    "two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
}  # fmt: skip
# What breaks below HTTP is told in each transport's own words.
OWN_WORDS = {"ConnectionLost", "ConnectFailed", "TimedOut"}


def once(raw: bytes) -> Talk:
    """Return a talk of one answer, after which the connection ends."""

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(raw)

    return talk


async def outcomes(url: str, timeout_s: float = 20.0) -> tuple[Answer | Failure, Answer | Failure]:
    """Make the same call through both; return what each makes of the answer."""
    async with both(url, timeout_s=timeout_s) as transports:
        by_sdk, by_wire = [await each.call(b'{"userId":"1"}') for each in transports.values()]
        return by_sdk, by_wire


def assert_alike(by_sdk: Failure, by_wire: Failure) -> None:
    """Compare two failures, and what is done about them."""
    assert by_wire.code == by_sdk.code
    assert by_wire.http_status == by_sdk.http_status
    assert judge(by_wire) is judge(by_sdk)
    assert by_wire.request_id == by_sdk.request_id
    assert by_wire.message
    assert by_sdk.message
    if by_sdk.code not in OWN_WORDS:
        assert by_wire.message == by_sdk.message


@pytest.mark.parametrize("name", ANSWERS)
async def test_both_read_the_same_answer(name: str) -> None:
    async with wired(once(ANSWERS[name])) as service:
        by_sdk, by_wire = await outcomes(service.url)
    assert isinstance(by_sdk, Answer)
    assert by_wire == by_sdk
    assert by_wire.body.strip() == BODY


@pytest.mark.parametrize("name", FAILURES)
async def test_both_fail_alike(name: str) -> None:
    async with wired(once(FAILURES[name])) as service:
        by_sdk, by_wire = await outcomes(service.url)
    assert isinstance(by_sdk, Failure)
    assert isinstance(by_wire, Failure)
    assert_alike(by_sdk, by_wire)


async def dropping(peer: Peer) -> None:
    """End the connection as soon as the request is there."""
    await peer.request()
    peer.drop()


async def closing(peer: Peer) -> None:
    """End the connection at once."""
    peer.drop()


async def silent(peer: Peer) -> None:
    """Read, and never answer."""
    await peer.until_gone()


@pytest.mark.parametrize(
    ("talk", "codes"),
    [
        (dropping, {"ConnectionLost"}),
        (closing, {"ConnectionLost", "ConnectFailed"}),
        (silent, {"TimedOut"}),
    ],
)
async def test_both_fail_alike_where_no_answer_comes(talk: Talk, codes: set[str]) -> None:
    async with wired(talk) as service:
        for failure in await outcomes(service.url, timeout_s=0.3 if talk is silent else 20.0):
            assert isinstance(failure, Failure)
            assert failure.code in codes
            assert failure.message
            assert judge(failure) is Verdict.TRANSIENT


async def test_both_fail_alike_where_nothing_listens() -> None:
    async with wired(silent) as service:
        pass
    by_sdk, by_wire = await outcomes(service.url)
    assert isinstance(by_sdk, Failure)
    assert isinstance(by_wire, Failure)
    assert by_wire.code == "ConnectFailed"
    assert_alike(by_sdk, by_wire)


async def test_both_fail_alike_where_connecting_hangs() -> None:
    with deaf_address() as (host, port):
        by_sdk, by_wire = await outcomes(f"http://{host}:{port}", timeout_s=0.3)
    assert isinstance(by_sdk, Failure)
    assert isinstance(by_wire, Failure)
    assert by_wire.code == "TimedOut"
    assert_alike(by_sdk, by_wire)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_but_said(status: int) -> None:
    """By the SDK it is; but a signed request goes where it was signed for, or nowhere."""
    location = b"Location: /elsewhere\r\n"
    async with wired(answering(failing(status, b"", location))) as service:
        async with opened(service.url, "wire") as transport:
            failure = await transport.call(b"{}")
        assert len(service.received) == 1
    assert isinstance(failure, Failure)
    assert (failure.code, failure.http_status) == ("InvalidAnswer", status)
    assert "redirects" in failure.message
