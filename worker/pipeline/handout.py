"""Who works on which Chunk: a hand-out gives them to a pipeline, one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from worker.model import Chunk


class Handed(NamedTuple):
    """A Chunk that a worker is to do."""

    chunk: Chunk
    is_last: bool  # no other one is left to hand out, to this worker or another


class HandOut(Protocol):
    """Gives one worker its Chunks, one by one, in the order in which it is to do them.

    A worker asks for the next one while rows of those before it are still called for, as soon as
    there is room to read it; so it may hold several. A Chunk is done when its part is committed.

    With several workers, a coordinator is behind `next`. It gives each Chunk to one worker. Another
    worker gets the Chunk only when the first is known to have ended, or when the time is over for
    which it had the Chunk. So `is_last` may be true of more than one Chunk: it is about the moment
    in which the Chunk is handed out.
    """

    @property
    def parts_done(self) -> int:
        """How many parts, of any worker, were committed before the first Chunk was handed out."""
        ...

    async def next(self) -> Handed | None:
        """Return the next Chunk, or None when there are no more. A stop cancels it."""
        ...


class InOrder:
    """Hands out all of some Chunks, in their order: there is one worker."""

    def __init__(self, chunks: Iterable[Chunk], *, parts_done: int = 0) -> None:
        self._chunks = iter(chunks)
        self._next = next(self._chunks, None)
        self.parts_done = parts_done

    async def next(self) -> Handed | None:
        """See HandOut.next."""
        if (chunk := self._next) is None:
            return None
        self._next = next(self._chunks, None)
        return Handed(chunk, is_last=self._next is None)
