"""Looks for credentials in a thread of its own: the SDK waits for files, processes and networks."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress
from typing import NamedTuple

import anyio

from worker.aws._process import PROCESS_S_MAX, CredentialProcesses
from worker.aws.access import Access
from worker.aws.credentials import SigningCredentials
from worker.aws.sdk_exceptions import no_credentials
from worker.aws.session import SdkSession
from worker.runtime.clock import Clock

LOOK_S_MAX = PROCESS_S_MAX + 5.0  # who is asked over a network may take several attempts


class Found(NamedTuple):
    """What a look has brought: the session that has looked, and the credentials, if any."""

    session: SdkSession
    keys: SigningCredentials | None
    began_s: float  # by the clock


class Looker:
    """Looks, one look at a time. No other threads wait for its own, which may hang for ever."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._look: asyncio.Future[Found] | None = None  # that goes on
        self._processes: CredentialProcesses | None = None
        self._is_first = True

    async def look(self) -> Found:
        """Return what the SDK finds now; what is asked for already is waited for.

        Raises RefusedError or ConfigError when it finds nothing it can use, or takes too long.
        """
        look = self._look or self._begin()
        try:
            with anyio.fail_after(LOOK_S_MAX):
                await asyncio.wait([look])  # which goes on where this is cancelled
        except TimeoutError:
            self._end_processes()
            message = f"their source has not given any within {LOOK_S_MAX:.0f} s"
            raise no_credentials(message) from None
        return look.result()

    def close(self) -> None:
        """End what was started for a look that goes on."""
        self._end_processes()
        if self._look is not None:
            self._look.cancel()

    def _end_processes(self) -> None:
        if self._processes is not None:
            self._processes.end()

    def _begin(self) -> asyncio.Future[Found]:
        loop = asyncio.get_running_loop()
        look: asyncio.Future[Found] = loop.create_future()
        may_ask, self._is_first = self._is_first, False
        at_terminal = may_ask and sys.stdin is not None and sys.stdin.isatty()
        processes = CredentialProcesses(is_at_terminal=at_terminal)
        self._look, self._processes = look, processes
        began_s = self._clock.now_s()

        def end(found: Found | None, error: Exception | None) -> None:
            self._look = self._processes = None
            if look.done():  # cancelled
                return
            if found is not None:
                look.set_result(found)
            elif error is not None:
                look.set_exception(error)
                look.exception()  # nobody may wait for it any more

        def run() -> None:
            found = error = None
            try:
                session = SdkSession(self._access)
                found = Found(session, session.credentials(processes, may_ask=may_ask), began_s)
            except Exception as raised:  # noqa: BLE001 - it is raised where the look is waited for
                error = raised
            with suppress(RuntimeError):  # the loop is closed by now
                loop.call_soon_threadsafe(end, found, error)

        threading.Thread(target=run, name="credentials", daemon=True).start()
        return look
