"""How the service is reached, and as whom, as far as this program's config says it."""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass

from worker.config.model import Target
from worker.config.values import check_endpoint_url, is_on_loopback
from worker.errors import ConfigError

# What a machine without credentials signs with on loopback: an emulator takes any key.
EMULATOR_KEY = "emulator"
_ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME"  # the SDKs' own


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
        return is_on_loopback(self.endpoint_url or "")


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
