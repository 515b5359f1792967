"""Which transport a run gets: `wire` wherever it can do what the environment asks, else `sdk`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Literal

from worker import log
from worker.call.access import Access, open_client, open_session, proxy_of, tls_context
from worker.call.pool import Pool
from worker.call.sdk import SdkTransport, prepare_request
from worker.call.sigv4 import RequestSigner, SigningCredentials
from worker.call.transport import Transport
from worker.call.wire import Endpoint, GetCredentials, NotWireableError, WireTransport, signer_like
from worker.config import Operation


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
    session = await open_session(access)
    async with open_client(
        "personalize-runtime",
        access,
        session=session,
        timeout_s=timeout_s,
        connections_max=connections_max,
    ) as client:
        get_credentials = partial(_credentials, session)
        if wanted == "wire":
            try:
                endpoint, signer = await _signer(client, operation, get_credentials)
            except NotWireableError as reason:
                log.warning("transport sdk instead of wire", reason=reason)
            else:
                tls = tls_context(access, session) if endpoint.is_tls else None
                async with Pool(endpoint.host, endpoint.port, tls=tls, timeout_s=timeout_s) as pool:
                    yield WireTransport(pool, signer, get_credentials)
                return
        yield SdkTransport(client, operation, timeout_s=timeout_s)


async def _signer(
    client: Any, operation: Operation, get_credentials: GetCredentials
) -> tuple[Endpoint, RequestSigner]:
    prepared = await prepare_request(client, operation)
    if proxy := proxy_of(client, prepared.url):
        raise NotWireableError(f"requests go through the proxy {proxy.rpartition('@')[2]}")
    return signer_like(prepared, await get_credentials())


async def _credentials(session: Any) -> SigningCredentials:
    """Return what the SDK signs with now; it refreshes what expires."""
    credentials = await session.get_credentials()
    if credentials is None:
        raise NotWireableError("it signs with no credentials")
    frozen = await credentials.get_frozen_credentials()
    return SigningCredentials(frozen.access_key, frozen.secret_key, frozen.token)
