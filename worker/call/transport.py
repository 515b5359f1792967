"""The interface between the pipeline and whatever makes HTTP calls."""

from typing import Protocol

from worker.model import Answer, Failure


class Transport(Protocol):
    """Makes one attempt of one operation. Entered once a run, inside its event loop."""

    async def call(self, body: bytes) -> Answer | Failure:
        """Send `body`, a JSON request, once. A failed call is a value, never an exception.

        Raises RefusedError when no call can be made at all, for want of credentials say. Has no
        time limit of its own beyond a fallback: the caller sets one by cancelling.
        """
        ...
