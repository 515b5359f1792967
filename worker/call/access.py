"""How the service is reached, and as whom: all of it the SDK's own answers."""

import ipaddress
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aioboto3
from botocore import exceptions as aws
from botocore.config import Config as ClientConfig
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from worker import __version__
from worker.config import Target, check_endpoint_url
from worker.errors import ConfigError, RefusedError

# What a machine without credentials signs with on loopback: an emulator takes any key.
_EMULATOR_KEY = "emulator"
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME"  # the SDKs' own
CREDENTIAL_ERRORS = (
    aws.NoCredentialsError,
    aws.PartialCredentialsError,
    aws.CredentialRetrievalError,
    aws.TokenRetrievalError,
    aws.SSOError,
    aws.UnauthorizedSSOTokenError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the service is reached, and as whom."""

    region: str
    profile: str | None = None
    endpoint_url: str | None = None  # None: AWS's
    ca_bundle: str | None = None

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine: an emulator's."""
        host = urlsplit(self.endpoint_url or "").hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def target_access(target: Target) -> Access:
    """Return how the config's target is reached; the environment may name the endpoint too."""
    return Access(
        region=target.region_name,
        profile=target.profile,
        endpoint_url=target.endpoint_url or _endpoint_of_environment(),
        ca_bundle=target.ca_bundle,
    )


def _endpoint_of_environment() -> str | None:
    url = os.environ.get(_ENDPOINT_VARIABLE)
    try:
        return check_endpoint_url(url) if url else None
    except ValueError as error:
        raise ConfigError(
            f"{_ENDPOINT_VARIABLE} {error} (seen: {url!r})",
            hint="correct it, or unset it to call AWS",
        ) from None


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

    Raises ConfigError when the SDK cannot be set up as [target] says.
    """
    session = session or await open_session(access)
    tls_context(access, session)
    try:
        client = session.client(
            service,
            endpoint_url=access.endpoint_url,
            verify=access.ca_bundle,  # None: the usual trust roots; it is never off
            config=ClientConfig(
                max_pool_connections=connections_max,
                retries={"total_max_attempts": attempts_max, "mode": "standard"},
                connect_timeout=timeout_s,
                read_timeout=timeout_s,
                user_agent_extra=f"personalize-worker/{__version__}",
            ),
        )
        entered = await client.__aenter__()
    except (aws.BotoCoreError, ValueError) as error:
        raise _not_set_up(error) from None
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
                aws_access_key_id=_EMULATOR_KEY,
                aws_secret_access_key=_EMULATOR_KEY,
            )
    except aws.ProfileNotFound as error:
        raise ConfigError(
            f"target.profile: {error}", hint="name a profile of ~/.aws/config, or remove the key"
        ) from None
    except (aws.BotoCoreError, ValueError) as error:
        raise _not_set_up(error) from None
    return session


def _not_set_up(error: Exception) -> ConfigError:
    return ConfigError(
        f"the AWS SDK cannot be set up: {error}",
        hint="check [target] and the AWS_* environment variables",
    )


def tls_context(access: Access, session: Any) -> ssl.SSLContext:
    """Return the trust roots that the SDK would use: the config's, its own config's, its own.

    Raises ConfigError for a bundle that the SDK would only stumble over in its first call.
    """
    path = access.ca_bundle or _botocore(session).get_config_variable("ca_bundle")
    path = path or get_cert_path(verify=True)
    try:
        context = ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"the trust root {path} cannot be used: {error.strerror or error}",
            hint="name a PEM file: in target.ca_bundle, AWS_CA_BUNDLE or the profile's ca_bundle",
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def _botocore(session: Any) -> Any:
    return session._session  # noqa: SLF001 - aioboto3 has no other way to what the SDK's config says


def proxy_of(client: Any, url: str) -> str | None:
    """Return the proxy that the SDK would use for `url`, from its config or the environment."""
    proxies = client.meta.config.proxies
    if proxies is None:
        proxies = get_environ_proxies(url)
    proxy: str | None = proxies.get(urlsplit(url).scheme)
    return proxy


def untrusted(error: Exception) -> RefusedError:
    """Return the error for a run whose endpoint shows a certificate that nobody vouches for."""
    return RefusedError(
        f"the endpoint's certificate is not trusted: {error}",
        hint="check target.endpoint_url; for a private endpoint set target.ca_bundle",
    )


def no_credentials(error: Exception) -> RefusedError:
    """Return the error for a run that cannot sign its requests."""
    return RefusedError(
        f"no usable AWS credentials: {error}",
        hint="set target.profile or the AWS_* variables, or log in again; "
        "to try without AWS, add --emulator",
    )
