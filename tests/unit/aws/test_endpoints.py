"""Where the service is: as the SDK says it, whatever files and variables do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader

from worker.aws.access import Access, target_access
from worker.aws.control_plane import control_endpoint
from worker.aws.session import SdkSession
from worker.config.model import Target
from worker.errors import ConfigError, RefusedError
from worker.personalize.operations import Operation

AWS_S = ".amazonaws.com"
RUNTIME = "https://runtime.example"
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"}
SERVICES = """services = mine
[services mine]
personalize_runtime =
  endpoint_url = https://services-runtime.example
personalize =
  endpoint_url = https://services-control.example
"""
VARIABLES = [
    {},
    {"AWS_ENDPOINT_URL": "https://all.example"},
    {"AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": RUNTIME},
    {"AWS_ENDPOINT_URL_PERSONALIZE": "https://control.example"},
    {"AWS_ENDPOINT_URL": "https://all.example", "AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": RUNTIME},
    {"AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": ""},
]
IGNORING = [{}, {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}]
PROFILES = [
    "",
    "endpoint_url = https://profile.example\n",
    SERVICES,
    "endpoint_url = https://profile.example\n" + SERVICES,
    "ignore_configured_endpoint_urls = true\n",
    "ignore_configured_endpoint_urls = true\n" + SERVICES,
    "services = nothing\nendpoint_url = https://profile.example\n",
    "use_fips_endpoint = true\n",
]
LOADER = Loader()  # which reads the SDK's files once


def target(**keys: Any) -> Target:
    arn = "arn:aws:personalize:us-east-1:1:campaign/c"
    return Target.model_validate({"operation": "GetRecommendations", "campaign_arn": arn, **keys})


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the SDK's file, with the profile `p` in use."""
    path = tmp_path / "aws-config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.setenv("AWS_PROFILE", "p")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return path


def of_the_sdk(service: str) -> str | None:
    """Return where the SDK would call a service; None where it says that this is wrong."""
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)
    try:
        client = session.create_client(service, region_name="us-east-1")
    except BotoCoreError:
        return None
    return str(client.meta.endpoint_url)


@pytest.mark.parametrize("text", PROFILES)
def test_it_is_where_the_sdk_finds_it(
    text: str, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile.write_text("[profile p]\n" + text)
    for variables, ignoring in itertools.product(VARIABLES, IGNORING):
        with monkeypatch.context() as patch:
            for name, value in {**variables, **ignoring}.items():
                patch.setenv(name, value)
            expected = of_the_sdk("personalize-runtime")
            if expected is None:
                with pytest.raises(RefusedError, match="services nothing"):
                    target_access(target())
                continue
            access = target_access(target())
            assert (access.endpoint_url or AWS_S) in expected
            assert (access.control_url or AWS_S) in (of_the_sdk("personalize") or AWS_S)


@pytest.mark.parametrize("text", ["endpoint_url = https://profile.example\n", PROFILES[-1]])
def test_what_is_called_is_there(text: str, profile: Path) -> None:
    profile.write_text("[profile p]\n" + text)
    prepared = SdkSession(target_access(target())).prepare(Operation.GET_RECOMMENDATIONS)
    assert prepared.url == f"{of_the_sdk('personalize-runtime')}/recommendations"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}),
        ("", {"AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": "http://localhost:9"}),
        ("endpoint_url = http://127.0.0.1:9\n", {}),
        (SERVICES.replace("https://services-runtime.example", "http://[::1]:9"), {}),
    ],
)
def test_an_endpoint_on_loopback_needs_no_keys_whoever_names_it(
    text: str, variables: dict[str, str], profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile.write_text("[profile p]\n" + text)
    for name in KEYS:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    keys = SdkSession(target_access(target())).credentials()
    assert keys is not None
    assert keys.access_key == "emulator"


@pytest.mark.parametrize(
    ("text", "variables", "says"),
    [
        ("", {"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL is not"),
        ("", {"AWS_ENDPOINT_URL_PERSONALIZE": "ftp://h"}, "AWS_ENDPOINT_URL_PERSONALIZE is not"),
        ("endpoint_url = http://me:hidden@h\n", {}, "the profile's endpoint_url must have no user"),
        (SERVICES.replace("https://services-runtime.example", "x"), {}, "section mine is not"),
    ],
)
def test_an_address_that_is_none_is_told_with_who_says_it(
    text: str,
    variables: dict[str, str],
    says: str,
    profile: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    profile.write_text("[profile p]\n" + text)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=says):
        target_access(target())


def test_services_that_name_no_section_are_told(profile: Path) -> None:
    profile.write_text("[profile p]\nservices =\n  personalize_runtime = x\n")
    with pytest.raises(RefusedError, match="services of the profile is no name"):
        target_access(target())


def test_the_control_plane_is_an_emulators_own_or_who_is_named_for_it() -> None:
    emulator, other = "http://127.0.0.1:8", "http://127.0.0.1:9"
    access = Access(region="us-east-1", endpoint_url=emulator, ca_bundle="ca.pem")
    assert control_endpoint(access).endpoint_url == emulator
    named = Access(region="us-east-1", endpoint_url=emulator, control_url=other, ca_bundle="ca.pem")
    assert (control_endpoint(named).endpoint_url, control_endpoint(named).ca_bundle) == (
        other,
        "ca.pem",
    )
    private = Access(region="us-east-1", endpoint_url="https://vpce.example", ca_bundle="ca.pem")
    assert (control_endpoint(private).endpoint_url, control_endpoint(private).ca_bundle) == (
        None,
        None,
    )
