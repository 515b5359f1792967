"""Clients of the SDK, as this program uses them: bounded, strict, and as [target] says."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.httpsession import AIOHTTPSession
from aiobotocore.session import AioSession
from aiohttp.client_proto import ResponseHandler
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import NoCredentialsError

from worker.aws._config import session_variables
from worker.aws.access import Access, tls_context
from worker.aws.login import Login
from worker.aws.sdk_exceptions import SDK_CONFIG_ERRORS, not_set_up
from worker.aws.session import client_options, proxy_for, trust_root
from worker.personalize.limits import BODY_BYTES_MAX


@asynccontextmanager
async def open_client(
    service: str,
    login: Login,
    *,
    endpoint: Access | None = None,
    timeout_s: float,
    connections_max: int = 1,
    attempts_max: int = 1,
    http: Http | None = None,
) -> AsyncIterator[Any]:
    """Yield an aioboto3 client, as a rule without retries of its own; close it on exit.

    With `http` it has no time limits: they are for whoever brings that. It signs with what `login`
    has at that moment; `endpoint` is what is reached, if that is something else.
    Raises ConfigError when the SDK cannot be set up as [target] says.
    """
    access = endpoint or login.access
    session = _open_session(login)
    trusted = trust_root(access, session._session)  # noqa: SLF001 - the SDK's own config is there
    tls_context(trusted)  # one that is none is found now, not in the first call
    try:
        client = session.client(
            service,
            endpoint_url=access.endpoint_url,
            verify=trusted,  # always: an empty AWS_CA_BUNDLE would switch it off
            config=AioConfig(
                http_session_cls=partial(_StrictSession, http=http),
                **client_options(
                    access,
                    timeout_s=timeout_s,
                    connections_max=connections_max,
                    attempts_max=attempts_max,
                ),
            ),
        )
        entered = await client.__aenter__()
    except SDK_CONFIG_ERRORS as error:
        raise not_set_up(error, profile=access.profile) from None
    try:
        proxy_for(entered.meta.endpoint_url, entered.meta.config.proxies)  # is one, or none is set
        yield entered
    finally:
        await client.__aexit__(None, None, None)


def _open_session(login: Login) -> Any:
    """Return an aioboto3 session whose credentials are those of `login`, now and later."""
    access = login.access
    variables = session_variables(obeys_environment=not access.is_own_emulator)
    own = AioSession(session_vars=variables)
    own.register_component("credential_provider", _Provider(login))
    try:
        return aioboto3.Session(
            botocore_session=own, profile_name=access.profile, region_name=access.region
        )
    except SDK_CONFIG_ERRORS as error:
        raise not_set_up(error, profile=access.profile) from None


class _Provider:
    """Where a session of the SDK finds credentials, instead of where it looks of its own."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def load_credentials(self) -> AioCredentials | None:
        """Return what always is what the login has; None where it has none."""
        return _HeldCredentials(self._login) if self._login.keys else None


class _HeldCredentials(AioCredentials):  # type: ignore[misc] # it has no types
    """Credentials that are renewed elsewhere: no call waits for it."""

    def __init__(self, login: Login) -> None:
        keys = login.keys
        super().__init__(keys and keys.access_key, keys and keys.secret_key, method="login")
        self._login = login

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """Return what a request is signed with now."""
        keys = self._login.keys
        if keys is None:
            raise NoCredentialsError
        return ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token)


class TooLongError(aiohttp.ClientPayloadError):
    """Raised for a body beyond the bound."""


class BoundedResponse(aiohttp.ClientResponse):
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
            await self.grown(len(piece))
        return b"".join(pieces)

    async def grown(self, size: int) -> None:
        """Return when more may be read after `size` further bytes: at once, here."""


class Http(NamedTuple):
    """What requests, connections and answers are made with, instead of aiohttp's own."""

    request_class: type[aiohttp.ClientRequest]
    connection_class: type[ResponseHandler]
    response_class: type[BoundedResponse]

    def put_into(self, session: Any) -> None:
        """Have a session use them; the SDK makes it, and has no way to say so."""
        session._request_class = self.request_class  # noqa: SLF001 - as above
        session._response_class = self.response_class  # noqa: SLF001 - likewise
        factory = partial(self.connection_class, asyncio.get_running_loop())
        session.connector._factory = factory  # noqa: SLF001 - likewise


class _StrictSession(AIOHTTPSession):  # type: ignore[misc] # it has no types
    """The SDK's HTTP session, with bounds, and with host names.

    As it is, it reads bodies of any length, and asks who vouches for a certificate, but not whose
    it is.
    """

    def __init__(self, *arguments: Any, http: Http | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._http = http
        if http is not None:
            self._timeout = aiohttp.ClientTimeout()

    async def _get_session(self, proxy_url: str | None) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = await super()._get_session(proxy_url)
        session._response_class = BoundedResponse  # noqa: SLF001 - the SDK makes the session
        if self._http is not None:
            self._http.put_into(session)
        return session

    def _get_ssl_context(self) -> ssl.SSLContext:
        context: ssl.SSLContext = super()._get_ssl_context()
        context.check_hostname = True
        return context
