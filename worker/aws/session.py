"""A request as the SDK would send it, and all that it takes from config and environment for that.

Made by botocore alone. aioboto3 is botocore with aiohttp, which takes 200 ms to import and would
not be used here. Blocking: credentials may come from a file, a process or the network.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import botocore.session
import orjson
from botocore import exceptions as aws
from botocore.config import Config as ClientConfig
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from worker import __version__
from worker.aws.access import EMULATOR_KEY, Access
from worker.aws.credentials import SigningCredentials
from worker.aws.errors import CREDENTIAL_ERRORS, RENEWAL_ERRORS, no_credentials, not_set_up
from worker.personalize.operations import METHODS, Operation

_SERVICE = "personalize-runtime"


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request as the SDK would send it, signed."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes
    proxy: str | None = None  # that the SDK would send it through


class SdkSession:
    """What the SDK knows: which credentials, region, endpoint, proxy and trust root to use.

    Raises ConfigError when it cannot be set up as [target] says.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        try:
            self._session = botocore.session.Session(profile=access.profile)
            # As in aioboto3.Session(region_name=...): credentials of a role are asked for there.
            self._session.set_config_variable("region", access.region)
            _look_at_one_service(self._session.get_component("data_loader"))
            if access.is_loopback and not access.profile and not self._session.get_credentials():
                self._session.set_credentials(EMULATOR_KEY, EMULATOR_KEY)
        except (aws.BotoCoreError, ValueError) as error:
            raise not_set_up(error) from None

    def prepare(self, operation: Operation) -> PreparedRequest:
        """Return a request for nobody in particular, signed, never sent.

        Raises RefusedError when there are no credentials.
        """
        try:
            client = self._session.create_client(
                _SERVICE,
                region_name=self._access.region,
                endpoint_url=self._access.endpoint_url,
                config=ClientConfig(**client_options()),
            )
        except (aws.BotoCoreError, ValueError) as error:
            raise not_set_up(error) from None
        try:
            return _capture_request(client, operation)
        finally:
            client.close()

    def credentials(self) -> SigningCredentials | None:
        """Return what the SDK signs with now, if with anything; it refreshes what expires."""
        credentials = self._session.get_credentials()
        if credentials is None:
            return None
        frozen = credentials.get_frozen_credentials()
        return SigningCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    @property
    def trust_root(self) -> str:
        """The PEM file whose certificates the SDK trusts."""
        return trust_root(self._access, self._session)


def _look_at_one_service(loader: Any) -> None:
    """Start 40 ms earlier: the SDK would look through its folders of all other services, twice.

    Credentials may come from another service (STS, IAM Identity Center): it is found as ever.
    """
    list_all = loader.list_available_services
    loader.list_available_services = lambda type_name: _Services(partial(list_all, type_name))
    loader.file_loader.load_file = _load_file


class _Services(Collection[str]):
    """The names of the SDK's services, which are looked up for any but the one."""

    def __init__(self, list_all: Callable[[], list[str]]) -> None:
        self._list_all = list_all  # remembers what it found

    def __contains__(self, name: object) -> bool:
        return name == _SERVICE or name in self._list_all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._list_all())

    def __len__(self) -> int:
        return len(self._list_all())


def _load_file(name: str) -> Any:
    """Return what the JSON file of that name, without its ending, holds; None when there is none.

    As the SDK does, in a third of the time.
    """
    for ending, open_file in ((".json", open), (".json.gz", gzip.open)):
        with suppress(FileNotFoundError), open_file(name + ending, "rb") as file:
            return orjson.loads(file.read())
    return None


def client_options(
    *, timeout_s: float = 10.0, connections_max: int = 1, attempts_max: int = 1
) -> dict[str, Any]:
    """Return how a client of the SDK behaves: as a rule it makes one attempt."""
    return {
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


def _capture_request(client: Any, operation: Operation) -> PreparedRequest:
    event = f"before-send.{_SERVICE}"
    client.meta.events.register(event, _capture)
    body: dict[str, Any] = {"userId": "user"}
    if operation is Operation.GET_PERSONALIZED_RANKING:
        body |= {"campaignArn": "campaign", "inputList": ["item"]}
    try:
        getattr(client, METHODS[operation])(**body)
    except _CapturedError as captured:
        request = captured.request
    except (*CREDENTIAL_ERRORS, *RENEWAL_ERRORS) as error:
        raise no_credentials(error) from None
    finally:
        client.meta.events.unregister(event, _capture)
    headers = {
        name: value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    proxies = client.meta.config.proxies or get_environ_proxies(request.url)
    proxy = proxies.get(urlsplit(request.url).scheme)
    return PreparedRequest(request.url, headers, request.body, proxy)


class _CapturedError(Exception):
    """Raised inside the SDK instead of sending; carries the request out."""

    def __init__(self, request: Any) -> None:
        super().__init__("captured")
        self.request = request


def _capture(request: Any, **_: Any) -> None:
    raise _CapturedError(request)
