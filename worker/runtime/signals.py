"""Which signals end a process in order, and what they find there. Light to import."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

ALL = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


def watched() -> list[signal.Signals]:
    """Return those that a command watches while it runs: the end of its terminal is one.

    But not where that is ignored: nohup has it so.
    """
    return [number for number in ALL if number is not signal.SIGHUP or not _is_ignored(number)]


def handle(handler: Callable[..., Any]) -> None:
    """Have signals that end handled, but for those that are ignored: SIGTERM never is."""
    for number in ALL:
        if number is signal.SIGTERM or not _is_ignored(number):
            signal.signal(number, handler)


@contextmanager
def kept() -> Iterator[None]:
    """Have them handled afterwards as before: an event loop that watches them does not."""
    handlers = {number: signal.getsignal(number) for number in ALL}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # one that is not Python's
                signal.signal(number, handler)


def _is_ignored(number: signal.Signals) -> bool:
    return signal.getsignal(number) is signal.SIG_IGN
