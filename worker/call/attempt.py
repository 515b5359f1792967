"""One attempt of a row: what it is, and its way through the pacer to the transport."""

from __future__ import annotations

from typing import Protocol

from worker.call.trouble import RowTrouble
from worker.transport.base import Ready


class Desk(Protocol):
    """Where an attempt asks for its turn."""

    def ask(self, attempt: Attempt) -> None:
        """Have the attempt leave at its turn; send it back when there will be no turn."""
        ...

    def let_go(self, attempt: Attempt, ready: Ready, now_s: float) -> bool:
        """Let the attempt leave, whose turn it is at `now_s`; return whether it has left."""
        ...

    def take(self, attempt: Attempt) -> bool:
        """Let an attempt leave that `let_go` could not send at once, if it still may."""
        ...

    def record_written(self) -> None:
        """Take note that the request that took its turn last is written by now."""
        ...


class Attempt:
    """The attempt of a row that is on, or is to come; there is one at a time.

    To the transport it is the turn that it asks for, to the pacer who waits for it.
    """

    __slots__ = (
        "_desk",
        "_is_waiting",
        "_ready",
        "has_left",
        "is_probe",
        "is_retry",
        "is_taken",
        "is_witness",
        "number",
        "request",
        "sent_s",
        "sent_us",
        "took_s",
        "trouble",
    )

    def __init__(self, desk: Desk, request: bytes) -> None:
        self._desk = desk
        self.request = request
        self._ready: Ready | None = None
        self._is_waiting = False  # at the pacer, with `_ready`
        self.is_retry = self.is_probe = self.has_left = False
        self.is_witness = False  # of a row that was answered before: see Admission
        self.is_taken = False  # the last one failed, and counts for no row
        self.number = 0  # that grows with the rows, once one has to wait
        self.sent_s = 0.0  # when it left, by the run's clock; until then, when it began
        self.sent_us = 0  # when it left, microseconds UTC
        self.took_s = 0.0  # from `sent_s` to its end
        self.trouble: RowTrouble | None = None  # of the row, once an attempt has failed

    @property
    def counted(self) -> int:
        """How many of the row's failed attempts count: not those of an outage."""
        return self.trouble.attempts if self.trouble else 0

    @property
    def unreached(self) -> int:
        """How many of the row's last attempts had no connection, while others were answered."""
        return self.trouble.unreached if self.trouble else 0

    @property
    def is_finished(self) -> bool:
        """Whether the row had all its attempts, while nothing but such rows was left."""
        return self.trouble is not None and self.trouble.is_finished

    @property
    def is_urgent(self) -> bool:
        """See Waiting.is_urgent."""
        return self.is_retry or self.is_probe

    def ask(self, ready: Ready) -> None:
        """See Turn.ask."""
        self._ready = ready
        if not self._is_waiting:
            self._is_waiting = True
            self._desk.ask(self)

    def take(self) -> bool:
        """See Turn.take."""
        return self._desk.take(self)

    def left(self) -> None:
        """See Turn.left."""
        self._desk.record_written()

    def go(self, now_s: float) -> bool:
        """See Waiting.go."""
        self._is_waiting, ready = False, self._ready
        return ready is not None and self._desk.let_go(self, ready, now_s)

    def send_back(self) -> None:
        """See Waiting.send_back."""
        self._is_waiting, ready = False, self._ready
        if ready is not None:
            ready.send_back()

    def end(self) -> None:
        """Note that it waits no more: it has ended before its turn, and the next one is to ask."""
        self._is_waiting, self._ready = False, None
