"""The event loop of a command that makes calls: signals watched, the emulator around it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import anyio

from worker.aws.access import Access, target_access
from worker.commands.emulator_process import running_emulator
from worker.config.model import Target
from worker.runtime import log, signals
from worker.runtime.event_loop import loop_factory
from worker.runtime.stop import StopSwitch, watch_signals

_Result = TypeVar("_Result")


def run_with_access(
    main: Callable[[Access, StopSwitch], Awaitable[_Result]],
    target: Target,
    *,
    emulator: Path | None,
    settings: Sequence[str],
) -> _Result:
    """Run `main` with a way to reach `target`, or an emulator started with the config `emulator`.

    The first signal throws the switch that `main` gets; the second ends everything at once.
    """

    async def inside() -> _Result:
        """Run all of it in one task group, whose end ends the emulator and the watch."""
        asyncio.get_running_loop().set_exception_handler(_log_unawaited)
        switch = StopSwitch()
        async with anyio.create_task_group() as group:
            group.start_soon(watch_signals, switch)
            if emulator is None:
                result = await main(target_access(target), switch)
            else:
                async with running_emulator(
                    emulator, settings=settings, region=target.region_name, switch=switch
                ) as access:
                    result = await main(access, switch)
            group.cancel_scope.cancel()
        return result

    with signals.kept():
        return anyio.run(inside, backend_options={"loop_factory": loop_factory()})


def _log_unawaited(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no one waits for, but make little of connections.

    Whoever gives one up while uvloop makes it leaves a future behind, with how that ended. One that
    ends in its TLS handshake comes as a class, which no log can show, and is raised besides.
    """
    error, is_task = context.get("exception"), isinstance(context.get("future"), asyncio.Task)
    if isinstance(error, type) and issubclass(error, OSError):
        log.debug("a connection ended in its TLS handshake", reason=error.__name__)
    elif isinstance(error, OSError) and "future" in context and not is_task:
        log.debug("a connection that was given up ended", reason=error)
    else:
        loop.default_exception_handler(context)
