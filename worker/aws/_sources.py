"""Asks the SDK for credentials, with bounds that the sources it knows do not have."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from botocore import exceptions as aws
from botocore.credentials import Credentials, ProcessProvider

from worker.aws._opened import open_session
from worker.aws._process import CredentialProcesses
from worker.aws.access import EMULATOR_KEY, Access
from worker.aws.credentials import SigningCredentials, flaw
from worker.aws.sdk_exceptions import SOURCE_ERRORS, no_credentials, not_set_up
from worker.errors import RefusedError


class Found(NamedTuple):
    """Credentials, as this program signs with them and as the SDK does."""

    keys: SigningCredentials
    frozen: Credentials  # that are never renewed


def find(
    access: Access, session: Any, processes: CredentialProcesses, *, may_ask: bool
) -> Found | None:
    """Return what `session` signs with, if with anything; its source is asked now.

    Raises RefusedError when a source that is configured gives none, ConfigError where [target] is
    wrong. This program's own emulator takes any keys: those of the environment, if it has any.
    """
    if access.is_own_emulator:
        try:
            session = open_session(access, obeys_environment=True)
            session.get_component("credential_provider")
        except (aws.BotoCoreError, OSError, ValueError):  # a profile that is not here, say
            return _made_up()
    with _source_errors(access):
        resolver = session.get_component("credential_provider")
    _bound(resolver, processes, may_ask=may_ask)
    with _source_errors(access):
        found = session.get_credentials()
        if found is None:
            is_any_good = access.is_loopback and not access.profile
            return _made_up() if is_any_good else None
        # What is good is used as it is: it is renewed by looking for it anew.
        found._advisory_refresh_timeout = found._mandatory_refresh_timeout = 0  # noqa: SLF001 - its parameters
        keys, expires = found.get_frozen_credentials(), getattr(found, "_expiry_time", None)
        expires_s = None if expires is None else expires.timestamp()
        if reason := flaw(keys.access_key, keys.secret_key, keys.token):
            raise no_credentials(f"{reason} (their source: {found.method})")
    return Found(
        SigningCredentials(keys.access_key, keys.secret_key, keys.token, expires_s),
        Credentials(keys.access_key, keys.secret_key, keys.token, found.method, keys.account_id),
    )


def _made_up() -> Found:
    key = EMULATOR_KEY
    return Found(SigningCredentials(key, key, None), Credentials(key, key))


@contextmanager
def _source_errors(access: Access) -> Iterator[None]:
    """Turn what a source of credentials makes the SDK raise into advice."""
    try:
        yield
    except (aws.ProfileNotFound, aws.ConfigParseError) as error:
        raise not_set_up(error, profile=access.profile) from None
    except (*SOURCE_ERRORS, RefusedError) as error:
        refused = error if isinstance(error, RefusedError) else no_credentials(error)
        if access.is_own_emulator:
            hint = (
                "correct AWS_PROFILE and the AWS_* variables, or unset them: no emulator needs any"
            )
            refused = RefusedError(refused.what, hint=hint)
        raise refused from None


def _bound(resolver: Any, processes: CredentialProcesses, *, may_ask: bool) -> None:
    """Have `processes` start those of profiles, and nobody asked where nobody is."""

    def process_provider(profile_name: str) -> ProcessProvider:
        return ProcessProvider(profile_name, load_config, popen=processes.start)

    direct = resolver.get_provider(ProcessProvider.METHOD)
    load_config, direct._popen = direct._load_config, processes.start  # noqa: SLF001 - its parameters
    role = resolver.get_provider("assume-role")
    role._prompter = _ask if may_ask else _ask_nobody  # noqa: SLF001 - its parameter
    builder = role._profile_provider_builder  # noqa: SLF001 - of the profile that a role is from
    builder._create_process_provider = process_provider  # noqa: SLF001 - it takes no parameter


def _ask(prompt: str) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        return _ask_nobody(prompt)
    return getpass.getpass(prompt)


def _ask_nobody(_: str) -> str:
    raise aws.CredentialRetrievalError(
        provider="assume-role",
        error_msg="the role asks for an MFA code (mfa_serial), and there is nobody to type it: "
        "use a profile that needs none, such as one of temporary credentials",
    )
