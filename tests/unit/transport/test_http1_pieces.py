"""An answer comes in pieces that nobody chooses; where they are cut makes no difference."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from itertools import pairwise
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.transport.messages import BODY, WHOLE

from worker.model import Failure
from worker.runtime.clock import MonotonicClock
from worker.transport._http1 import Connection, Reply
from worker.transport.base import Ready


class Wire(asyncio.Transport):
    """A transport that goes nowhere, for bytes that come in pieces of an exact size."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False
        self._end, self._other_end = socket.socketpair()

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._end if name == "socket" else default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send nothing."""

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_aborted

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self._end.close()
        self._other_end.close()


class AtOnce:
    """A turn that is now."""

    def ask(self, ready: Ready) -> None:
        assert ready.go(monotonic())

    def take(self) -> bool:
        return True

    def left(self) -> None:
        """Be told, and do nothing."""


async def received_in(pieces: list[bytes]) -> Reply | Failure:
    """Return what a connection makes of an answer in these pieces, and the end after them."""
    with contextlib.closing(Wire()) as wire:
        connection = Connection(
            clock=MonotonicClock(), on_free=lambda _: None, on_lost=lambda _: None
        )
        connection.connection_made(wire)
        answer = connection.send(b"", AtOnce())
        for piece in pieces:
            if piece and not wire.is_aborted:
                connection.data_received(piece)
        connection.connection_lost(None)
        return await answer


@settings(max_examples=40)
@given(data=st.data())
@pytest.mark.parametrize("name", WHOLE)
async def test_an_answer_in_any_pieces_is_the_same_answer(name: str, data: st.DataObject) -> None:
    raw = WHOLE[name]
    cuts = data.draw(st.lists(st.integers(0, len(raw)), max_size=12).map(sorted))
    pieces = [raw[start:end] for start, end in pairwise([0, *cuts, len(raw)])]
    assert await received_in(pieces) == await received_in([raw])


@pytest.mark.parametrize("name", WHOLE)
async def test_an_answer_that_is_cut_anywhere_is_no_answer(name: str) -> None:
    """But for one that ends with its connection: nobody can tell, but whoever reads the JSON."""
    raw = WHOLE[name]
    head = raw.index(BODY) if "until-the-end" in name else len(raw)
    for end in range(head):
        cut = await received_in([raw[:end]])
        assert isinstance(cut, Failure), raw[:end]
        assert (cut.code, cut.http_status) == ("ConnectionLost", None)
        assert cut.message
