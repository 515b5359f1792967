"""Machines that are set up for AWS in ways that must not matter to a local emulator."""

from __future__ import annotations

from pathlib import Path

NOBODY = "http://127.0.0.1:7"  # nobody listens there
MACHINES = {
    "a proxy": {"HTTP_PROXY": NOBODY, "HTTPS_PROXY": NOBODY, "ALL_PROXY": NOBODY},
    "a proxy, in lower case": {"http_proxy": NOBODY, "all_proxy": NOBODY},
    "a proxy but for some": {"http_proxy": NOBODY, "no_proxy": "localhost,.corp"},
    "a profile that is not here": {"AWS_PROFILE": "nope"},
    "another that is not here": {"AWS_DEFAULT_PROFILE": "nope"},
    "a broken file": {"AWS_CONFIG_FILE": "{folder}/broken"},
    "broken keys": {"AWS_SHARED_CREDENTIALS_FILE": "{folder}/broken"},
    "a profile of its own": {"AWS_CONFIG_FILE": "{folder}/own", "AWS_PROFILE": "p"},
    "other endpoints": {
        "AWS_ENDPOINT_URL": NOBODY,
        "AWS_ENDPOINT_URL_PERSONALIZE": NOBODY,
        "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": NOBODY,
        "AWS_ENDPOINT_URL_STS": NOBODY,
    },
    "endpoints that are none": {
        "AWS_ENDPOINT_URL": "nonsense",
        "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": "nonsense",
    },
    "trust roots that are not here": {
        "AWS_CA_BUNDLE": "/nope",
        "SSL_CERT_FILE": "/nope",
        "SSL_CERT_DIR": "/nope",
        "REQUESTS_CA_BUNDLE": "/nope",
    },
    "other regions": {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
    "other kinds of endpoints": {
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_STS_REGIONAL_ENDPOINTS": "nonsense",
        "AWS_ACCOUNT_ID_ENDPOINT_MODE": "nonsense",
    },
    "other settings": {
        "AWS_RETRY_MODE": "nonsense",
        "AWS_MAX_ATTEMPTS": "many",
        "AWS_DEFAULTS_MODE": "nonsense",
        "AWS_METADATA_SERVICE_TIMEOUT": "soon",
        "AWS_SDK_UA_APP_ID": "\u00fc" * 100,
        "AWS_DATA_PATH": "/nope",
        "AWS_AUTH_SCHEME_PREFERENCE": "sigv4a",
        "AWS_SIGV4A_SIGNING_REGION_SET": "*",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "nonsense",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "nonsense",
        "AWS_DISABLE_REQUEST_COMPRESSION": "nonsense",
        "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "-1",
        "AWS_CSM_ENABLED": "true",
    },
    "keys of its own": {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"},
}
OWN = f"""
[profile p]
region = eu-west-1
endpoint_url = {NOBODY}
ca_bundle = /nope
use_fips_endpoint = true
retry_mode = nonsense
aws_access_key_id = AKID
aws_secret_access_key = s
"""


def environment(folder: Path, machine: str) -> dict[str, str]:
    """Write the files of a machine; return its variables."""
    (folder / "broken").write_text("[[[")
    (folder / "own").write_text(OWN)
    variables = MACHINES[machine].items()
    return {name: value.replace("{folder}", str(folder)) for name, value in variables}
