"""`emulate`: serves the emulator until it is stopped.

The emulator shares no code with the rest, so its errors become this program's here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from worker.errors import CommandOutcome, WorkerError, leaves
from worker.runtime import signals

if TYPE_CHECKING:
    from worker.emulator.settings import EmulatorSettings


class EmulatorNotReadyError(WorkerError):
    """Raised when the emulator cannot start."""

    outcome = CommandOutcome.INVALID


def serve_until_stopped(
    settings: EmulatorSettings, *, on_ready: Callable[[str], None], until_eof: bool
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; with `until_eof` also until standard input ends.

    Raises EmulatorNotReadyError when the data or the address cannot be used.
    """
    try:
        from worker.emulator.errors import EmulatorError
        from worker.emulator.server import serve
    except ImportError as error:
        raise EmulatorNotReadyError(
            f"the emulator needs the package {error.name}, which is not installed",
            hint="pip install 'personalize-worker[emulator]'",
        ) from None

    async def main() -> None:
        stop = anyio.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(_set_on_signal, stop)
            if until_eof:
                group.start_soon(_set_on_eof, stop)
            await serve(settings, on_ready=on_ready, stop=stop)
            group.cancel_scope.cancel()

    async def main_with_advice() -> None:
        try:
            await main()
        except BaseExceptionGroup as group:
            (error,) = leaves(group)[:1]
            if isinstance(error, EmulatorError):
                raise EmulatorNotReadyError(error.what, hint=error.hint) from None
            raise

    anyio.run(main_with_advice)


def introduction(settings: EmulatorSettings, url: str) -> list[str]:
    """Return what a client needs: lines for a shell to read, and the ARNs there are."""
    from worker.emulator.introduction import introduction as lines

    return lines(settings, url)


async def _set_on_signal(stop: anyio.Event) -> None:
    with anyio.open_signal_receiver(*signals.watched()) as received:
        async for _ in received:
            stop.set()


async def _set_on_eof(stop: anyio.Event) -> None:
    """The parent never writes: a readable standard input is one that has ended."""
    await anyio.wait_readable(sys.stdin)
    stop.set()
