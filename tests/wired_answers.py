"""Answers with the same body, in all the ways in which HTTP can bring it."""

from wired_service import CLOSES, chunked, reply

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
