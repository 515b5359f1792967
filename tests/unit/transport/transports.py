"""The two transports side by side, as a run opens them, and the pool of one of them."""

from __future__ import annotations

import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from types import SimpleNamespace
from typing import Any, Literal
from unittest import mock

import pytest
from support.clock import running
from support.services import TIMEOUT_S, Service

from worker.aws.access import Access
from worker.aws.login import Login
from worker.personalize.operations import Operation
from worker.runtime.clock import MonotonicClock
from worker.transport._http1 import Connection
from worker.transport._pool import Pool
from worker.transport._sdk import SdkTransport
from worker.transport.base import ConnectingTransport, Transport
from worker.transport.choose import open_transport
from worker.transport.intake import Intake
from worker.transport.wire import WireTransport

# Each test of a module with these marks runs on every event loop and transport there is.
EVERY_NETWORK = [pytest.mark.every_loop, pytest.mark.usefixtures("with_and_without_aiofastnet")]
SHORT_S = 0.3  # of what must not happen
NOW = dt.datetime(2026, 3, 1, 12, 0, 0)  # noqa: DTZ001 - as botocore's own: UTC, and naive
REGION = "eu-central-1"
# Nothing listens here, and nobody is asked: the address is one of documentation's.
ELSEWHERE = "http://192.0.2.1:1"


@contextmanager
def frozen_clock() -> Iterator[None]:
    """Stop the clocks that both transports sign by."""
    now_s = NOW.replace(tzinfo=dt.UTC).timestamp()
    stopped = SimpleNamespace(time=lambda: now_s, strptime=time.strptime)
    with (
        mock.patch("botocore.auth.get_current_datetime", return_value=NOW),
        mock.patch("worker.transport.wire.time", stopped),
    ):
        yield


@asynccontextmanager
async def opened_by(
    login: Login,
    wanted: Literal["wire", "sdk"],
    *,
    operation: Operation = Operation.GET_RECOMMENDATIONS,
    timeout_s: float = 20.0,
    connections_max: int = 10,
    intake: Intake | None = None,
) -> AsyncIterator[ConnectingTransport]:
    """Open a transport that calls as `login`; it need not be the wanted one."""
    with running() as clock:
        async with open_transport(
            login,
            operation=operation,
            wanted=wanted,
            timeout_s=timeout_s,
            connections_max=connections_max,
            clock=clock,
            intake=intake,
        ) as transport:
            yield transport


@asynccontextmanager
async def opened(
    url: str,
    wanted: Literal["wire", "sdk"],
    *,
    operation: Operation = Operation.GET_RECOMMENDATIONS,
    timeout_s: float = 20.0,
    connections_max: int = 10,
    intake: Intake | None = None,
    **access: Any,
) -> AsyncIterator[ConnectingTransport]:
    """Open the wanted transport to a service at `url`."""
    async with (
        Login(Access(region=REGION, endpoint_url=url, **access), MonotonicClock()) as login,
        opened_by(
            login,
            wanted,
            operation=operation,
            timeout_s=timeout_s,
            connections_max=connections_max,
            intake=intake,
        ) as transport,
    ):
        assert type(transport).__name__.lower().startswith(wanted)
        yield transport


@asynccontextmanager
async def both(url: str, **options: Any) -> AsyncIterator[dict[str, Transport]]:
    """Open both transports to one service."""
    async with AsyncExitStack() as stack:
        yield {
            "sdk": await stack.enter_async_context(opened(url, "sdk", **options)),
            "wire": await stack.enter_async_context(opened(url, "wire", **options)),
        }


@asynccontextmanager
async def pool_of(
    service: Service | tuple[str, int],
    *,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = TIMEOUT_S,
    intake: Intake | None = None,
) -> AsyncIterator[Pool]:
    """Open a pool, and check that nothing of it is left when it closes."""
    host, port = service if isinstance(service, tuple) else (service.host, service.port)
    with running() as clock:
        async with Pool(
            host, port, tls=tls, timeout_s=timeout_s, clock=clock, intake=intake
        ) as pool:
            yield pool
    assert not pool._connections
    assert not pool._addresses._connections
    assert pool._sweeper is None


def connections(pool: Pool) -> list[Connection]:
    """Return a pool's connections, busy and idle."""
    return list(pool._connections)


async def transport_of(
    url: str, wanted: Any = "wire", **options: Any
) -> tuple[type[WireTransport | SdkTransport], Any]:
    """Open a transport and close it; return its class, and the answer to a call."""
    async with (
        Login(Access(region=REGION, endpoint_url=url, **options), MonotonicClock()) as login,
        opened_by(login, wanted) as transport,
    ):
        return type(transport), await transport.call(b'{"userId":"1"}')  # type: ignore[return-value] # there are two


def warnings(caplog: pytest.LogCaptureFixture) -> str:
    """Return what was said, with all fields."""
    assert {record.levelname for record in caplog.records} <= {"WARNING"}
    return " ".join(f"{each.getMessage()} {vars(each)}" for each in caplog.records)
