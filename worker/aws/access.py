"""How the service is reached, and as whom, as far as this program's config says it."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass

from worker.config.model import Target
from worker.config.values import check_endpoint_url, is_on_loopback
from worker.errors import ConfigError

# What a machine without credentials signs with on loopback: an emulator takes any key.
EMULATOR_KEY = "emulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the service is reached, and as whom."""

    region: str
    profile: str | None = None
    endpoint_url: str | None = None  # None: AWS's
    control_url: str | None = None  # of the control plane; None: AWS's, or the emulator's
    ca_bundle: str | None = None
    is_own_emulator: bool = False  # whatever this machine's AWS files and variables say

    @property
    def is_loopback(self) -> bool:
        """Whether the endpoint is on this machine: an emulator's."""
        return is_on_loopback(self.endpoint_url or "")


def target_access(target: Target) -> Access:
    """Return how the config's target is reached; the SDK's files and variables may say it, too.

    Raises ConfigError where they are wrong, RefusedError where they cannot be read.
    """
    from botocore.exceptions import InvalidConfigError

    from worker.aws._config import configured_endpoint, open_config
    from worker.aws.sdk_exceptions import SDK_CONFIG_ERRORS, not_set_up

    runtime = control = None
    try:
        session = open_config(target.profile)
        if target.endpoint_url is None:
            runtime = configured_endpoint(session, "personalize-runtime")
        with suppress(InvalidConfigError):  # most runs do not need it; who does will say so
            control = configured_endpoint(session, "personalize")
    except SDK_CONFIG_ERRORS as error:
        raise not_set_up(error, profile=target.profile) from None
    return Access(
        region=target.region_name,
        profile=target.profile,
        endpoint_url=target.endpoint_url or _checked(runtime),
        control_url=_checked(control),
        ca_bundle=target.ca_bundle,
    )


def emulator_access(url: str, region: str) -> Access:
    """Return how this program's own emulator at `url` is reached."""
    return Access(region=region, endpoint_url=url, is_own_emulator=True)


def _checked(configured: tuple[str, str] | None) -> str | None:
    if configured is None:
        return None
    url, where = configured
    try:
        return check_endpoint_url(url)
    except ValueError as error:
        raise ConfigError(
            f"{where} {error} (seen: {url!r})",
            hint="correct it, or unset it to call AWS",
        ) from None


def tls_context(trust_root: str) -> ssl.SSLContext:
    """Return a context that trusts what the PEM file `trust_root` has.

    Raises ConfigError for a file that would else be stumbled over in the first call.
    """
    try:
        context = ssl.create_default_context(cafile=trust_root)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(
            f"the trust root {trust_root} cannot be used: {error.strerror or error}",
            hint="name a PEM file: in target.ca_bundle, AWS_CA_BUNDLE or the profile's ca_bundle",
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context
