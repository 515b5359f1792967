"""The emulator as a process of its own, started and ended by `--emulator`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from worker.aws.access import Access, emulator_access
from worker.commands.emulate import EmulatorNotReadyError
from worker.errors import StoppedError
from worker.runtime.stop import StopSwitch

READY_TIMEOUT_S = 120.0  # training included
_END_TIMEOUT_S = 5.0
_READY_BYTES_MAX = 4096


@asynccontextmanager
async def running_emulator(
    config: Path, *, settings: Sequence[str], region: str, switch: StopSwitch
) -> AsyncIterator[Access]:
    """Start `emulate CONFIG` on a free loopback port; yield how to reach it; end it.

    Raises StoppedError when `switch` is thrown before it is ready.

    The child watches its standard input, so it ends with this process, however this ends.
    """
    command = [sys.executable, "-m", "worker", "emulate", str(config), "--quiet", "--until-eof"]
    for setting in (*settings, "emulator.port=0", 'emulator.host="127.0.0.1"'):
        command += ["--set", setting]
    async with await anyio.open_process(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        # Ctrl-C goes to a whole process group; calls that are in flight must still be answered.
        start_new_session=True,
    ) as process:
        try:
            url = await switch.wait(_ready_url(process))
            yield emulator_access(url, region)
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)


async def _ready_url(process: Process) -> str:
    if process.stdout is None:
        raise RuntimeError("the emulator was started without a pipe")
    lines = BufferedByteReceiveStream(process.stdout)
    try:
        with anyio.fail_after(READY_TIMEOUT_S):
            line = await lines.receive_until(b"\n", _READY_BYTES_MAX)
    except TimeoutError:
        raise StoppedError(
            f"the emulator was not ready within {READY_TIMEOUT_S:.0f} s",
            hint="try `personalize-worker emulate CONFIG` alone, with less data",
        ) from None
    except anyio.IncompleteRead:
        raise EmulatorNotReadyError(
            f"the emulator ended with exit code {await process.wait()} before it was ready",
            hint="its own message is above; correct the section [emulator]",
        ) from None
    return line.decode().removeprefix("ready ").strip()


async def _end(process: Process) -> None:
    """End the child: by closing its standard input, which it watches; by force if it must be."""
    if process.stdin is not None:
        await process.stdin.aclose()
    with anyio.move_on_after(_END_TIMEOUT_S):
        await process.wait()
    if process.returncode is None:
        process.kill()
        await process.wait()
