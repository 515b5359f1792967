"""Clients of the SDK, as this program uses them: bounded, strict, and as [target] says."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.httpsession import AIOHTTPSession
from botocore import exceptions as aws

from worker.aws.access import EMULATOR_KEY, Access, tls_context
from worker.aws.errors import not_set_up
from worker.aws.session import client_options, trust_root
from worker.personalize.limits import BODY_BYTES_MAX


@asynccontextmanager
async def open_client(
    service: str,
    access: Access,
    *,
    timeout_s: float,
    connections_max: int = 1,
    attempts_max: int = 1,
    session: Any = None,
) -> AsyncIterator[Any]:
    """Yield an aioboto3 client, as a rule without retries of its own; close it on exit.

    Raises ConfigError when the SDK cannot be set up as [target] says, RefusedError when the
    credentials that are configured cannot be had.
    """
    session = session or await open_session(access)
    trusted = trust_root(access, session._session)  # noqa: SLF001 - the SDK's own config is there
    tls_context(trusted)  # one that is none is found now, not in the first call
    try:
        client = session.client(
            service,
            endpoint_url=access.endpoint_url,
            verify=trusted,  # always: an empty AWS_CA_BUNDLE would switch it off
            config=AioConfig(
                http_session_cls=_StrictSession,
                **client_options(
                    timeout_s=timeout_s, connections_max=connections_max, attempts_max=attempts_max
                ),
            ),
        )
        entered = await client.__aenter__()
    except (aws.BotoCoreError, ValueError) as error:
        raise not_set_up(error) from None
    try:
        yield entered
    finally:
        await client.__aexit__(None, None, None)


async def open_session(access: Access) -> Any:
    """Return an aioboto3 session; raise ConfigError when there is no such profile."""
    try:
        session = aioboto3.Session(profile_name=access.profile, region_name=access.region)
        if access.is_loopback and not access.profile and await session.get_credentials() is None:
            return aioboto3.Session(
                region_name=access.region,
                aws_access_key_id=EMULATOR_KEY,
                aws_secret_access_key=EMULATOR_KEY,
            )
    except (aws.BotoCoreError, ValueError) as error:
        raise not_set_up(error) from None
    return session


class TooLongError(aiohttp.ClientPayloadError):
    """Raised for a body beyond the bound."""


class _BoundedResponse(aiohttp.ClientResponse):
    """An answer that is read up to the bound of a body, whatever its length is."""

    async def read(self) -> bytes:
        """Return the body; raise TooLongError when there is more of it."""
        if self._body is None:
            try:
                self._body = await self._read_bounded()
            except BaseException:  # a cancellation, too: nothing is hidden, it is raised on
                self.close()
                raise
        return await super().read()

    async def _read_bounded(self) -> bytes:
        pieces, size = [], 0
        async for piece in self.content.iter_any():
            pieces.append(piece)
            size += len(piece)
            if size > BODY_BYTES_MAX:
                raise TooLongError(f"the answer has over {BODY_BYTES_MAX} bytes")
        return b"".join(pieces)


class _StrictSession(AIOHTTPSession):  # type: ignore[misc] # it has no types
    """The SDK's HTTP session, with bounds, and with host names.

    As it is, it reads bodies of any length, and asks who vouches for a certificate, but not whose
    it is.
    """

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = await super()._get_session(proxy_url)
        session._response_class = _BoundedResponse  # noqa: SLF001 - the SDK makes the session
        return session

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        context.check_hostname = True
        return context
