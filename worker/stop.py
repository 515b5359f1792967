"""Ending a run early: one switch for signals, the deadline and the caps."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from worker.errors import StoppedError


class StopSwitch:
    """Thrown once, with a reason. Lanes stop waiting and start no further attempt.

    Calls that are in flight end by themselves.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self._waiting: set[anyio.CancelScope] = set()

    def throw(self, reason: str) -> None:
        """Stop the run; the first reason stays."""
        if self.reason is None:
            self.reason = reason
            for scope in self._waiting:
                scope.cancel()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Wrap a wait that ends early when the switch is thrown; check `reason` afterwards."""
        with anyio.CancelScope() as scope:
            if self.reason is not None:
                scope.cancel()
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.discard(scope)

    def error(self) -> StoppedError:
        """Return the error that ends a run which this switch has stopped."""
        return StoppedError(
            f"stopped before the end: {self.reason}",
            hint="run the same command again: it carries on after the last committed part",
        )
