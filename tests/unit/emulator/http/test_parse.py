"""Bytes to requests, without a socket: however they are cut, the same requests come out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from worker.emulator.http.message import Answer, Request
from worker.emulator.http.parse import Incoming

PARTS = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST http://h/b?c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT:\r\n\r\n",
    b"POST /d HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
    b"GET /e HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /f HTTP/1.0\r\n\r\n",
    b"GET /g HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
    b"GET /h HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 12_000 + b"\r\n",  # 70 KiB
    b"nonsense",
    b"\r\n",
]


def read(pieces: list[bytes]) -> tuple[list[object], bool]:
    """What comes out, answers as their statuses, and whether that is all there will be."""
    found: list[object] = []

    def take(asked: Request | Answer) -> None:
        found.append(asked.status if isinstance(asked, Answer) else asked)

    incoming = Incoming("127.0.0.1", take=take, expect=lambda: found.append("100 Continue"))
    for piece in pieces:
        incoming.feed(piece)
    return found, incoming.is_over


@given(parts=st.lists(st.sampled_from(PARTS), max_size=5), data=st.data())
def test_however_bytes_are_cut_the_same_requests_come_out(
    parts: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(parts)
    cuts = data.draw(st.lists(st.integers(min_value=0, max_value=len(sent)), max_size=8))
    places = sorted([0, *cuts, len(sent)])
    whole = read([sent])
    assert read([sent[begin:end] for begin, end in pairwise(places)]) == whole
    assert read([sent[at : at + 1000] for at in range(0, len(sent), 1000)]) == whole
