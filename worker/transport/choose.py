"""Which transport a run gets: `wire` wherever it can do what the environment asks, else `sdk`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeVar, TypeVarTuple

from anyio import to_thread
from botocore.exceptions import NoCredentialsError

from worker.aws.access import Access, tls_context
from worker.aws.credentials import SigningCredentials
from worker.aws.errors import no_credentials
from worker.aws.session import SdkSession
from worker.personalize.operations import Operation
from worker.runtime import log
from worker.transport._pool import Pool
from worker.transport._sigv4 import RequestSigner
from worker.transport.base import Transport
from worker.transport.wire import Endpoint, NotWireableError, WireTransport, signer_like

_Result = TypeVar("_Result")
_Arguments = TypeVarTuple("_Arguments")


@asynccontextmanager
async def open_transport(
    access: Access,
    *,
    operation: Operation,
    wanted: Literal["wire", "sdk"],
    timeout_s: float,
    connections_max: int,
) -> AsyncIterator[Transport]:
    """Yield the transport for a run; say so when it is not the `wanted` one.

    Raises ConfigError when the SDK cannot be set up, RefusedError without credentials.
    """
    if wanted == "wire":
        session = await _in_thread(SdkSession, access)

        async def get_credentials(*, anew: bool = False) -> SigningCredentials:
            nonlocal session
            try:
                if anew:
                    session = await _in_thread(SdkSession, access)
                credentials = await _in_thread(session.credentials)
            except ValueError as error:  # what a credential process prints is no JSON, say
                raise no_credentials(error) from None
            if credentials:
                return credentials
            raise no_credentials(NoCredentialsError())

        try:
            endpoint, signer = await _in_thread(_signer, session, operation)
        except NotWireableError as reason:
            log.warning("transport sdk instead of wire", reason=reason)
        else:
            tls = tls_context(session.trust_root) if endpoint.is_tls else None
            async with Pool(endpoint.host, endpoint.port, tls=tls, timeout_s=timeout_s) as pool:
                yield WireTransport(pool, signer, get_credentials)
            return
    from worker.transport._sdk import open_sdk  # slow to import

    async with open_sdk(
        access, operation=operation, timeout_s=timeout_s, connections_max=connections_max
    ) as transport:
        yield transport


async def _in_thread(
    function: Callable[[*_Arguments], _Result], *arguments: *_Arguments
) -> _Result:
    """Call a function of the SDK, which may wait for a file, a process or the network.

    A stop does not wait for its end.
    """
    return await to_thread.run_sync(function, *arguments, abandon_on_cancel=True)


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
