"""The interface between the pipeline and whatever makes HTTP calls."""

from __future__ import annotations

from typing import Protocol

from worker.model import Answer, Failure
from worker.personalize.error_codes import CONNECTION_LOST

# The end of a call that was sent back; its connection is as good as before.
SENT_BACK = Failure(CONNECTION_LOST, "the request was not sent: there was no turn for it")


class Ready(Protocol):
    """A request that has all it needs to leave, an open connection above all."""

    def go(self, now_s: float) -> bool:
        """Leave, now: at `now_s` by the clock. False: it has not, and asks again if it may."""
        ...

    def send_back(self) -> None:
        """Do not leave."""
        ...


class Turn(Protocol):
    """Says when an attempt may leave. It is asked with an open connection in hand."""

    def ask(self, ready: Ready) -> None:
        """Have `ready` go when it may, or sent back. Asked again, the one asked for last counts."""
        ...

    def take(self) -> bool:
        """Leave at once, after a `go` that returned False; False: it may not, after all.

        For who cannot write the request while `go` runs. It is written now, and `left` follows.
        """
        ...

    def left(self) -> None:
        """Note that the request is written, after a turn that was taken."""
        ...


class Transport(Protocol):
    """Makes one attempt of one operation. Entered once a run, inside its event loop."""

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        """Send `body`, a JSON request, once. A failed call is a value, never an exception.

        It leaves at its turn; without one, as soon as there is a connection. SENT_BACK: it has not
        left. Getting a connection and, from when it leaves, the answer take no longer than the
        transport's time limit each. May be cancelled at any moment. Raises RefusedError when no
        call can be made at all, for want of credentials say.
        """
        ...

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        """Look for other credentials than an attempt had that the service calls expired.

        The attempt left at `since_s` of the login's clock, and ended with `failure`. Return None
        when there are others now, else why not: `failure` itself when there are only the same.
        Raises RefusedError when there are none at all. May take as long as the SDK takes.
        """
        ...


class ConnectingTransport(Transport, Protocol):
    """A transport that makes connections, and need not wait for them."""

    def call_off(self) -> None:
        """Connect no more: what has no connection, and would wait for one, is sent back."""
        ...
