"""What the SDK's files and variables say, read as the SDK reads them."""

from __future__ import annotations

import os
from typing import Any

import botocore.session
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES as VARIABLES
from botocore.exceptions import InvalidConfigError

# Nothing of the environment, and no file: as on a machine that nobody has set up.
_NOTHING = {
    **{name: (None, None, default, kind) for name, (_, _, default, kind) in VARIABLES.items()},
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def session_variables(*, obeys_environment: bool) -> dict[str, Any] | None:
    """Return what a session of the SDK takes from outside; None: what it takes of its own."""
    return None if obeys_environment else _NOTHING


def configured_endpoint(session: Any, service: str) -> tuple[str, str] | None:
    """Return where files or variables say that a service is, and which of them; else None.

    Raises what the SDK does where they are broken. The order is its own ("Service-specific
    endpoints" in the AWS SDKs and Tools Reference Guide).
    """
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    name = service.replace("-", "_")
    for variable in (f"AWS_ENDPOINT_URL_{name.upper()}", "AWS_ENDPOINT_URL"):
        if url := os.environ.get(variable):
            return url, variable
    profile = session.get_scoped_config()
    services = profile.get("services")
    sections = session.full_config.get("services", {})
    if isinstance(services, dict):
        raise InvalidConfigError(error_msg="services of the profile is no name of a section")
    if services is not None and not sections.get(services):
        raise InvalidConfigError(error_msg=f"there is no section [services {services}]")
    section = sections.get(services, {}).get(name, {})
    if isinstance(section, dict) and (url := section.get("endpoint_url")):
        return str(url), f"endpoint_url of the services section {profile['services']}"
    if url := profile.get("endpoint_url"):
        return str(url), "the profile's endpoint_url"
    return None


def open_config(profile: str | None, *, obeys_environment: bool = True) -> Any:
    """Return a session of botocore; the files are read when they are needed."""
    variables = session_variables(obeys_environment=obeys_environment)
    return botocore.session.Session(session_vars=variables, profile=profile)
