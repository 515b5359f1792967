"""HTTP messages byte by byte, and talks that send them."""

from __future__ import annotations

from support.services import Peer, Talk

CLOSES = b"Connection: close\r\n"
SOUND = b'{"recommendationId":"R"}'  # an answer of each operation, with an empty list


def request(body: bytes = b"{}") -> bytes:
    """Return a request that a test tells from others by its body."""
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def reply(
    body: bytes = SOUND, *, status: bytes = b"200 OK", headers: bytes = b"", version: bytes = b"1.1"
) -> bytes:
    """Return an answer of a known length; `headers` are whole lines."""
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/%b %b\r\n%b%b\r\n%b" % (version, status, headers, length, body)


def chunked(*chunks: bytes, trailers: bytes = b"", extension: bytes = b"") -> bytes:
    """Return an answer in chunks."""
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(each), extension, each) for each in chunks)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + body + b"0\r\n" + trailers + b"\r\n"


def answering(*replies: bytes) -> Talk:
    """Return a talk of one answer to each request, then the end; the last is repeated."""

    async def talk(peer: Peer) -> None:
        for each in replies:
            await peer.request()
            await peer.send(each)
        while True:
            await peer.request()
            await peer.send(replies[-1])

    return talk


def echoing(closing_after: int | None = None) -> Talk:
    """Return a talk that answers each request with its own body."""

    async def talk(peer: Peer) -> None:
        count = 0
        while closing_after is None or count < closing_after:
            asked = await peer.request()
            await peer.send(reply(asked.body))
            count += 1

    return talk


# Answers with the same body, in all the ways in which HTTP can bring it.
BODY = b'{"itemList":[{"itemId":"\xc3\xbc"}]}'
WHOLE = {
    "of-a-known-length": reply(BODY),
    "said-to-close": reply(BODY, headers=CLOSES),
    "in-one-chunk": chunked(BODY),
    "in-many-chunks": chunked(*(BODY[at : at + 1] for at in range(len(BODY)))),
    "in-chunks-with-extensions": chunked(BODY[:9], BODY[9:], extension=b';name="v\\"alue";x'),
    "with-trailers": chunked(BODY, trailers=b"x-amzn-RequestId: not me\r\nB: c\r\n"),
    "until-the-end": b"HTTP/1.1 200 OK\r\n\r\n" + BODY,
    "of-http-1.0": reply(BODY, version=b"1.0"),
    "of-http-1.0-kept-alive": reply(BODY, version=b"1.0", headers=b"Connection: keep-alive\r\n"),
    "of-http-1.0-until-the-end": b"HTTP/1.0 200 OK\r\n\r\n" + BODY,
    "after-100": b"HTTP/1.1 100 Continue\r\n\r\n" + reply(BODY),
    "after-103-with-headers": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + reply(BODY),
    "without-a-reason": reply(BODY, status=b"200 "),
    "with-odd-headers": reply(BODY, headers=b"A:\r\nb:\t c \r\nX-Amzn-ErrorType: a:b\r\n"),
}
KEPT_ALIVE = [
    "of-a-known-length", "in-one-chunk", "in-many-chunks", "in-chunks-with-extensions",
    "with-trailers", "of-http-1.0-kept-alive", "after-100", "after-103-with-headers",
    "without-a-reason", "with-odd-headers",
]  # fmt: skip
