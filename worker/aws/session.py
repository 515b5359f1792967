"""A request as the SDK would send it, and all that it takes from config and environment for that.

Made by botocore alone. aioboto3 is botocore with aiohttp, which takes 200 ms to import and would
not be used here. Blocking: credentials may come from a file, a process or the network.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config as ClientConfig
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from worker import __version__
from worker.aws._opened import SERVICE, open_session
from worker.aws._process import CredentialProcesses
from worker.aws._sources import find
from worker.aws.access import Access
from worker.aws.credentials import SigningCredentials
from worker.aws.sdk_exceptions import (
    CREDENTIAL_ERRORS,
    SDK_CONFIG_ERRORS,
    no_credentials,
    not_set_up,
)
from worker.errors import ConfigError
from worker.personalize.operations import METHODS, Operation


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request as the SDK would send it, signed."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes
    proxy: str | None = None  # that the SDK would send it through


class SdkSession:
    """What the SDK knows: which credentials, region, endpoint, proxy and trust root to use.

    Raises ConfigError when it cannot be set up as [target] says, RefusedError when its own files
    cannot be used.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._found: SigningCredentials | None = None
        self._has_looked = False
        try:
            self._session = open_session(access, obeys_environment=not access.is_own_emulator)
        except SDK_CONFIG_ERRORS as error:
            raise not_set_up(error, profile=access.profile) from None

    def prepare(self, operation: Operation) -> PreparedRequest:
        """Return a request for nobody in particular, signed, never sent.

        Raises RefusedError when there are no credentials.
        """
        self.credentials()
        try:
            client = self._session.create_client(
                SERVICE,
                region_name=self._access.region,
                endpoint_url=self._access.endpoint_url,
                config=ClientConfig(**client_options(self._access)),
            )
        except SDK_CONFIG_ERRORS as error:
            raise not_set_up(error, profile=self._access.profile) from None
        try:
            return _capture_request(client, operation)
        finally:
            client.close()

    def credentials(
        self, processes: CredentialProcesses | None = None, *, may_ask: bool = False
    ) -> SigningCredentials | None:
        """Return what the SDK signs with, if with anything: looked for once, and never renewed.

        A profile's processes are started by `processes`; a person is asked for an MFA code only
        where `may_ask`. Raises RefusedError when the source that is configured gives none.
        """
        if not self._has_looked:
            processes = processes or CredentialProcesses(is_at_terminal=False)
            found = find(self._access, self._session, processes, may_ask=may_ask)
            self._has_looked = True
            if found is not None:
                self._found = found.keys
                # Requests are signed with the same: nothing is asked for again.
                self._session._credentials = found.frozen  # noqa: SLF001 - its source is kept, too
        return self._found

    @property
    def trust_root(self) -> str:
        """The PEM file whose certificates the SDK trusts."""
        return trust_root(self._access, self._session)


def client_options(
    access: Access, *, timeout_s: float = 10.0, connections_max: int = 1, attempts_max: int = 1
) -> dict[str, Any]:
    """Return how a client of the SDK behaves: as a rule it makes one attempt.

    No proxy is asked to reach this machine: its loopback is not the same.
    """
    return {
        "proxies": {} if access.is_loopback else None,
        "max_pool_connections": connections_max,
        "retries": {"total_max_attempts": attempts_max, "mode": "standard"},
        "connect_timeout": timeout_s,
        "read_timeout": timeout_s,
        "user_agent_extra": f"personalize-worker/{__version__}",
    }


def trust_root(access: Access, session: Any) -> str:
    """Return the config's, the environment's or the profile's trust root, or the SDK's own."""
    configured = access.ca_bundle or session.get_config_variable("ca_bundle")
    return str(configured or get_cert_path(verify=True))


def proxy_for(url: str, proxies: dict[str, str] | None) -> str | None:
    """Return the proxy that the SDK sends a request for `url` through, if there is one.

    `proxies` are those of a client; None: the environment's. Raises ConfigError for what is none.
    """
    scheme = urlsplit(url).scheme
    proxy = (get_environ_proxies(url) if proxies is None else proxies).get(scheme)
    if proxy and not _is_proxy(proxy):
        raise ConfigError(
            f"{scheme.upper()}_PROXY is not an address such as http://127.0.0.1:3128 "
            f"(seen: {proxy.rpartition('@')[2]!r})",
            hint="correct it, or unset it, or name the service's host in NO_PROXY",
        )
    return proxy


def _is_proxy(text: str) -> bool:
    """Whether it is the address of one; the SDK puts a scheme before it where there is none."""
    try:
        parts = urlsplit(text if "//" in text else f"//{text}", scheme="http")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _capture_request(client: Any, operation: Operation) -> PreparedRequest:
    event = f"before-send.{SERVICE}"
    client.meta.events.register(event, _capture)
    body: dict[str, Any] = {"userId": "user"}
    if operation is Operation.GET_PERSONALIZED_RANKING:
        body |= {"campaignArn": "campaign", "inputList": ["item"]}
    try:
        getattr(client, METHODS[operation])(**body)
    except _CapturedError as captured:
        request = captured.request
    except CREDENTIAL_ERRORS as error:
        raise no_credentials(error) from None
    finally:
        client.meta.events.unregister(event, _capture)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    proxy = proxy_for(request.url, client.meta.config.proxies)
    return PreparedRequest(request.url, headers, request.body, proxy)


class _CapturedError(Exception):
    """Raised inside the SDK instead of sending; carries the request out."""

    def __init__(self, request: Any) -> None:
        super().__init__("captured")
        self.request = request


def _capture(request: Any, **_: Any) -> None:
    raise _CapturedError(request)
