"""Which transport a run gets: `wire` wherever it can do what the environment asks, else `sdk`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Literal

from anyio import to_thread

from worker.aws.access import tls_context
from worker.aws.credentials import SigningCredentials
from worker.aws.login import Login
from worker.aws.session import SdkSession
from worker.config.model import Config
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation
from worker.runtime import log
from worker.runtime.clock import Clock
from worker.runtime.stop import StopSwitch
from worker.transport._pool import Pool
from worker.transport._sigv4 import RequestSigner
from worker.transport.base import ConnectingTransport
from worker.transport.intake import Intake
from worker.transport.wire import Endpoint, NotWireableError, WireTransport, signer_like


@asynccontextmanager
async def configured_transport(
    config: Config,
    login: Login,
    switch: StopSwitch,
    clock: Clock,
    intake: Intake | None = None,
    *,
    connections_max: int,
) -> AsyncIterator[ConnectingTransport]:
    """Yield the transport as the config says; see `open_transport`.

    Raises StoppedError when `switch` is thrown before it is open.
    """
    async with AsyncExitStack() as stack:
        opening = open_transport(
            login,
            operation=config.target.operation,
            wanted=config.target.transport,
            timeout_s=config.retry.timeout_s,
            connections_max=connections_max,
            clock=clock,
            intake=intake,
        )
        yield await switch.wait(stack.enter_async_context(opening))


@asynccontextmanager
async def open_transport(
    login: Login,
    *,
    operation: Operation,
    wanted: Literal["wire", "sdk"],
    timeout_s: float,
    connections_max: int,
    clock: Clock,
    intake: Intake | None = None,
) -> AsyncIterator[ConnectingTransport]:
    """Yield the transport for a run; say so when it is not the `wanted` one.

    `clock` is the clock of its time limits.

    `intake` bounds the bytes of answers on their way; without it the transport has one of its own.
    Raises ConfigError when the SDK cannot be set up, RefusedError without credentials.
    """
    if wanted == "wire":
        session = login.session
        try:
            # It reads files, so that a stop does not wait for its end.
            endpoint, signer = await to_thread.run_sync(
                _signer, session, operation, abandon_on_cancel=True
            )
        except NotWireableError as reason:
            log.warning("transport sdk instead of wire", reason=reason)
        else:
            tls = tls_context(session.trust_root) if endpoint.is_tls else None
            async with Pool(
                endpoint.host,
                endpoint.port,
                tls=tls,
                timeout_s=timeout_s,
                clock=clock,
                intake=intake,
            ) as pool:
                yield WireTransport(pool, signer, login, SHAPES[operation])
            return
    from worker.transport._sdk import open_sdk  # slow to import

    async with open_sdk(
        login,
        operation=operation,
        timeout_s=timeout_s,
        connections_max=connections_max,
        clock=clock,
        intake=intake or Intake(),
    ) as transport:
        yield transport


def _signer(session: SdkSession, operation: Operation) -> tuple[Endpoint, RequestSigner]:
    prepared = session.prepare(operation)
    if prepared.proxy:
        shown = prepared.proxy.rpartition("@")[2]  # without its password
        raise NotWireableError(f"requests go through the proxy {shown}")
    return signer_like(prepared, _usable(session.credentials()))


def _usable(credentials: SigningCredentials | None) -> SigningCredentials:
    if credentials is None:
        raise NotWireableError("the SDK signs with no credentials")
    return credentials
