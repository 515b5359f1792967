"""Who asks for credentials in mid-run, when, and who waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import anyio
import pytest
from support.services import eventually

from worker.aws import login as login_module
from worker.aws._look import Found, Looker
from worker.aws.access import Access
from worker.aws.credentials import SigningCredentials
from worker.aws.login import Login
from worker.aws.sdk_exceptions import no_credentials
from worker.aws.session import SdkSession
from worker.errors import RefusedError
from worker.model import Failure
from worker.runtime.clock import MonotonicClock

ACCESS = Access(region="us-east-1", endpoint_url="http://127.0.0.1:1")
NONE = SigningCredentials("none", "found", None)
MADE_UP = SigningCredentials("emulator", "emulator", None)
EXPIRED = Failure("ExpiredTokenException", "expired", 403)


class Source:
    """A source of credentials: each look brings the next of `keys`; None fails."""

    def __init__(self) -> None:
        self.keys: list[SigningCredentials | None] = []
        self.open = asyncio.Event()
        self.open.set()
        self.looks = self.at_once = self.at_once_max = 0

    async def look(self) -> Found:
        began_s = time.monotonic()
        self.looks += 1
        self.at_once += 1
        self.at_once_max = max(self.at_once, self.at_once_max)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        keys = self.keys.pop(0) if len(self.keys) > 1 else self.keys[0]
        if keys is None:
            raise no_credentials("the source is dry")
        return Found(SdkSession(ACCESS), None if keys is NONE else keys, began_s)


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    """Return what all logins of a test ask."""
    made = Source()
    monkeypatch.setattr(Looker, "look", lambda _: made.look())
    monkeypatch.setattr(login_module, "_LOOK_AGAIN_S", 0.0)
    return made


def key(name: str, life_s: float | None = None) -> SigningCredentials:
    expires_s = None if life_s is None else time.time() + life_s
    return SigningCredentials(name, "secret", None, expires_s=expires_s)


def named(login: Login) -> str:
    assert login.keys is not None
    return login.keys.access_key


async def test_calls_go_on_with_keys_that_are_good_while_others_are_asked_for(
    source: Source,
) -> None:
    source.keys = [key("old", 2.1), key("new", 3600.0)]
    async with Login(ACCESS, MonotonicClock()) as login, anyio.create_task_group() as group:
        source.open.clear()
        group.start_soon(login.run)
        await eventually(lambda: source.looks == 2)
        assert (named(login), login.is_good) == ("old", True)
        source.open.set()
        await eventually(lambda: named(login) == "new")
        assert source.looks == 2
        group.cancel_scope.cancel()


@pytest.mark.parametrize("gone", [NONE, MADE_UP])
async def test_keys_that_are_gone_for_a_moment_are_looked_for_again(
    gone: SigningCredentials, source: Source
) -> None:
    source.keys = [key("old", 4.1), gone, gone, key("new", 3600.0)]
    async with Login(ACCESS, MonotonicClock()) as login, anyio.create_task_group() as group:
        seen = {named(login)}

        async def watch() -> None:
            while True:
                seen.add(named(login))
                await asyncio.sleep(0)

        group.start_soon(watch)
        await login.renew(EXPIRED, since_s=time.monotonic())
        group.cancel_scope.cancel()
    assert seen | {named(login)} == {"old", "new"}


async def test_keys_that_are_gone_for_good_end_a_run_that_needs_others(source: Source) -> None:
    source.keys = [key("old"), NONE]
    async with Login(ACCESS, MonotonicClock()) as login:
        with pytest.raises(RefusedError, match="none any more"):
            await login.renew(EXPIRED, since_s=time.monotonic())
        assert named(login) == "old"


async def test_whoever_waits_there_is_one_look_at_a_time(source: Source) -> None:
    source.keys = [key("old", -1.0), key("new", 3600.0)]
    async with Login(ACCESS, MonotonicClock()) as login:
        source.open.clear()
        async with anyio.create_task_group() as group:
            group.start_soon(login.run)
            async with anyio.create_task_group() as lanes:
                for _ in range(200):
                    lanes.start_soon(login.wait)
                await eventually(lambda: source.looks == 2)
                source.open.set()
            group.cancel_scope.cancel()
        assert login.is_good
        assert (source.looks, source.at_once_max) == (2, 1)


async def test_calls_that_met_the_end_of_the_same_keys_share_a_look(source: Source) -> None:
    source.keys = [key("old"), key("new")]
    async with Login(ACCESS, MonotonicClock()) as login:
        since_s = time.monotonic()
        ends: list[Failure | None] = []

        async def renew() -> None:
            ends.append(await login.renew(EXPIRED, since_s=since_s))

        async with anyio.create_task_group() as lanes:
            for _ in range(200):
                lanes.start_soon(renew)
        assert ends == [None] * 200
        assert source.looks == 2
        assert await login.renew(EXPIRED, since_s=time.monotonic()) is EXPIRED  # the same again


async def test_a_source_that_fails_while_keys_are_good_ends_nothing(
    source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    source.keys = [key("old", 2.1), None]
    async with Login(ACCESS, MonotonicClock()) as login, anyio.create_task_group() as group:
        group.start_soon(login.run)
        await eventually(lambda: bool(caplog.records))
        assert login.is_good
        await login.wait()
        (record,) = caplog.records
        assert record.getMessage() == "credentials not renewed"
        assert "the source is dry" in vars(record)["fields"]["reason"]
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    "ask", [Login.wait, lambda login: login.renew(EXPIRED, since_s=time.monotonic())]
)
async def test_without_good_keys_three_looks_that_fail_refuse_the_run(
    source: Source, ask: Callable[[Login], object]
) -> None:
    source.keys = [key("old", -1.0), None]
    async with Login(ACCESS, MonotonicClock()) as login:
        with pytest.raises(RefusedError, match="the source is dry"):
            await ask(login)  # type: ignore[misc] # both are coroutines
        assert source.looks == 1 + 3


async def test_a_source_that_hangs_is_waited_for_as_long_as_an_outage(source: Source) -> None:
    source.keys = [key("old", -1.0)]
    async with Login(ACCESS, MonotonicClock(), patience_s=0.1) as login:
        source.open.clear()
        with pytest.raises(RefusedError, match="no others came within"):
            await login.wait()


async def test_one_failure_in_between_costs_nothing(source: Source) -> None:
    source.keys = [key("old", -1.0), None, key("new", 3600.0)]
    async with Login(ACCESS, MonotonicClock()) as login:
        await login.wait()
        assert named(login) == "new"


async def test_a_start_does_not_try_again(source: Source) -> None:
    source.keys = [None]
    with pytest.raises(RefusedError, match="the source is dry"):
        async with Login(ACCESS, MonotonicClock()):
            raise AssertionError
    assert source.looks == 1


async def test_after_a_look_that_failed_the_next_is_some_seconds_later_and_then_ahead_of_need(
    source: Source,
) -> None:
    source.keys = [key("old", 3600.0), None, key("new", 3600.0)]
    async with Login(ACCESS, MonotonicClock()) as login:
        login._looked_s -= 1000.0
        with pytest.raises(RefusedError):
            await login._look()
        assert login._due_s() == pytest.approx(time.time() + 5.0, abs=2.0)
        await login._look()
        assert login._due_s() == pytest.approx(time.time() + 2700.0, abs=2.0)
