"""As whom calls are signed: looked up at the start, renewed ahead of need, in the background.

Nothing is asked for while a call is made. Calls go on with credentials that are good while others
are asked for, by one look at a time, in a thread that nothing else waits for.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

import anyio

from worker.aws._look import Looker
from worker.aws.access import EMULATOR_KEY, Access
from worker.aws.credentials import SigningCredentials, look_due_s
from worker.aws.sdk_exceptions import no_credentials
from worker.aws.session import SdkSession
from worker.config.model import Stop
from worker.errors import ConfigError, RefusedError
from worker.model import Failure
from worker.runtime import log
from worker.runtime.clock import Clock
from worker.runtime.stop import StopSwitch, seconds_to

# How long calls wait, in all, for credentials without which none can be made.
PATIENCE_S = 120.0
_LOOKS_MAX = 3  # by then, one after the other
_LOOK_AGAIN_S = 1.0
_CLOCK_S_MAX = 30.0  # between looks at the clock, which may be set, or have slept


@asynccontextmanager
async def logged_in(
    access: Access, stop: Stop, switch: StopSwitch, clock: Clock
) -> AsyncIterator[Login]:
    """Yield a login that has looked; a source that hangs outlives neither a stop nor a deadline.

    Raises StoppedError when one of these came first, and what Login raises.
    """
    login = Login(access, clock, patience_s=stop.outage_s)
    async with AsyncExitStack() as stack:
        with anyio.move_on_after(seconds_to(stop.deadline, clock)) as scope:
            await switch.wait(stack.enter_async_context(login))
        if scope.cancelled_caught:
            switch.throw(f"the deadline {stop.deadline} has come")
        switch.check()
        yield login


class Login:
    """The credentials of a run or a load test. Use it as a context manager."""

    def __init__(self, access: Access, clock: Clock, *, patience_s: float = PATIENCE_S) -> None:
        self.access = access
        self._clock = clock
        self._patience_s = patience_s
        self._looker = Looker(access, clock)
        self._one_at_a_time = anyio.Lock()
        self._session: SdkSession | None = None
        self._looked_s = 0.0  # seconds since 1970: the last look that ended
        self._failures = 0  # looks since the last that brought any
        self._began_s = self._changed_s = -math.inf  # by the clock: the last look that did
        self.keys: SigningCredentials | None = None  # None: the SDK finds none, and may need none

    async def __aenter__(self) -> Self:
        try:
            await self._look()
        except BaseException:  # a cancellation, too: nothing is hidden, it is raised on
            self._looker.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._looker.close()

    @property
    def session(self) -> SdkSession:
        """What the SDK knows, as of the last look."""
        if self._session is None:
            raise RuntimeError("a login is used before it is entered")
        return self._session

    @property
    def is_good(self) -> bool:
        """Whether calls can be signed now."""
        keys = self.keys
        return keys is None or keys.expires_s is None or keys.hold_at(self._wall_s())

    async def run(self) -> None:
        """Renew credentials before they expire, until cancelled; failures are logged."""
        while True:
            wait_s = self._due_s() - self._wall_s()
            if wait_s > 0.0:
                await anyio.sleep(min(wait_s, _CLOCK_S_MAX))
                continue
            async with self._one_at_a_time:
                if self._due_s() > self._wall_s():
                    continue  # somebody could not wait
                try:
                    await self._look()
                except (ConfigError, RefusedError) as error:
                    self._log_failure(error)

    async def wait(self) -> None:
        """Return when calls can be signed.

        Raises RefusedError when there are no good credentials, and none can be had.
        """
        await self._look_until(lambda: self.is_good)

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        """Look for other credentials than an attempt had; see Transport.renew."""
        # Who has looked since has found what there is.
        await self._look_until(lambda: max(self._began_s, self._changed_s) > since_s)
        return None if self._changed_s > since_s else failure

    async def _look_until(self, is_so: Callable[[], bool]) -> None:
        """Look, again where that fails, until something is so."""
        with anyio.move_on_after(self._patience_s):
            async with self._one_at_a_time:
                for number in range(_LOOKS_MAX):
                    if is_so():
                        return
                    try:
                        await self._look()
                    except (ConfigError, RefusedError):
                        if number == _LOOKS_MAX - 1:
                            raise
                        await anyio.sleep(_LOOK_AGAIN_S * 2.0**number)
        if not is_so():
            raise no_credentials(
                f"those there were have expired, and no others came within {self._patience_s:.0f} s"
            )

    async def _look(self) -> None:
        try:
            found = await self._looker.look()
            if self._are_gone(found.keys):
                raise no_credentials("there are none any more where they came from")
        except (ConfigError, RefusedError):
            self._failures += 1
            raise
        finally:
            self._looked_s = self._wall_s()
        self._failures, self._began_s, self._session = 0, found.began_s, found.session
        if found.keys != self.keys:
            self._changed_s = self._clock.now_s()
        self.keys = found.keys

    def _are_gone(self, found: SigningCredentials | None) -> bool:
        """Whether there are none, or made-up ones, where there were some: a file is written anew.

        That is a look that fails: calls go on with those there were, and it is looked again.
        """
        if self.keys is None or self.keys.access_key == EMULATOR_KEY:
            return False
        return found is None or found.access_key == EMULATOR_KEY

    def _due_s(self) -> float:
        return look_due_s(
            looked_s=self._looked_s,
            expires_s=self.keys.expires_s if self.keys else None,
            failures=self._failures,
        )

    def _wall_s(self) -> float:
        return self._clock.wall_us() / 1e6

    def _log_failure(self, error: ConfigError | RefusedError) -> None:
        left_s = ((self.keys and self.keys.expires_s) or 0.0) - self._wall_s()
        log.warning("credentials not renewed", reason=error.what, good_for_s=max(0.0, left_s))
