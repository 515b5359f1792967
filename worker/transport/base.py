"""The interface between the pipeline and whatever makes HTTP calls."""

from __future__ import annotations

from typing import Protocol

from worker.model import Answer, Failure


class Transport(Protocol):
    """Makes one attempt of one operation. Entered once a run, inside its event loop."""

    async def call(self, body: bytes) -> Answer | Failure:
        """Send `body`, a JSON request, once. A failed call is a value, never an exception.

        Ends within the transport's time limit, connecting included. May be cancelled at any
        moment. Raises RefusedError when no call can be made at all, for want of credentials say.
        """
        ...

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        """Look for other credentials than an attempt had that the service calls expired.

        The attempt began at `since_s` (time.monotonic) and ended with `failure`. Return None
        when there are others now, else why not: `failure` itself when there are only the same.
        Raises RefusedError when there are none at all. May take as long as the SDK takes.
        """
        ...
