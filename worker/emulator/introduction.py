"""What a client needs to know of an emulator that has just begun to serve."""

from __future__ import annotations

from typing import Final

from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings

DUMMY: Final = "emulator"
"""Both of the keys, where nobody's signature is verified: AWS refuses them."""


def introduction(settings: EmulatorSettings, address: str) -> list[str]:
    """Return lines for a shell to read, and the ARNs there are as comments.

    A secret that the settings declare is not among them. The keys matter without being verified:
    an SDK that does not know the endpoint variables goes to AWS, and is refused there.
    """
    resources = Resources(settings)
    if settings.credentials:
        key, secret = settings.credentials[0].access_key_id, "its secret_access_key"
        keys = f"export AWS_ACCESS_KEY_ID={key}  # AWS_SECRET_ACCESS_KEY: {secret} in the config"
    else:
        keys = f"export AWS_ACCESS_KEY_ID={DUMMY} AWS_SECRET_ACCESS_KEY={DUMMY}"
    lines = [
        "# For clients that know these variables; others go to AWS. Its README says which:",
        f"export AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME={address}",
        f"export AWS_ENDPOINT_URL_PERSONALIZE={address}",
        f"export AWS_REGION={settings.region} AWS_DEFAULT_REGION={settings.region}",
        keys,
        "unset AWS_SESSION_TOKEN AWS_PROFILE AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    ]
    arns = [each.arn for each in (*resources.campaigns, *resources.recommenders)]
    arns += [each.arn for each in resources.filters]
    return lines + [f"# {arn}" for arn in arns]
