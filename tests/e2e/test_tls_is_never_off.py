"""TLS verification has no switch: whatever the environment says, a stranger is not called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from support.certificates import server_context
from support.runs import RunCommand, WriteConfig, assert_advice, write_users
from support.services import Peer, serving_talk

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret"}


@contextmanager
def stranger(heard: list[bytes]) -> Iterator[str]:
    """Serve TLS with a certificate that nobody vouches for; keep what gets through."""

    async def hear(peer: Peer) -> None:
        heard.append(await peer.reader.read(1))

    tls = server_context(trustme.CA(), "127.0.0.1")
    with serving_talk(hear, tls=tls) as service:
        yield service.url


WISHES = {
    "nothing": {},
    "Python's switch": {"PYTHONHTTPSVERIFY": "0"},
    "an empty bundle": {"AWS_CA_BUNDLE": ""},
    "others' switches": {
        "REQUESTS_CA_BUNDLE": "",
        "CURL_CA_BUNDLE": "",
        "NODE_TLS_REJECT_UNAUTHORIZED": "0",
        "GIT_SSL_NO_VERIFY": "1",
        "AWS_VERIFY_SSL": "false",
        "AWS_NO_VERIFY_SSL": "true",
    },
}


@pytest.mark.parametrize("transport", ["wire", "sdk"])
@pytest.mark.parametrize("wish", WISHES)
def test_a_stranger_is_not_called(
    wish: str, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    requests: list[bytes] = []
    with stranger(requests) as url:
        config = write_config(
            target={"endpoint_url": url, "transport": transport}, rate={"in_flight_max": 1}
        )
        result = command("run", config, env={**KEYS, **WISHES[wish]})
    assert_advice(result, 4, "certificate is not trusted", "target.ca_bundle")
    assert not requests


@pytest.mark.parametrize("transport", ["wire", "sdk"])
def test_however_many_connections_it_refuses_there_is_one_message(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 1_000)
    requests: list[bytes] = []
    with stranger(requests) as url:
        config = write_config(
            target={"endpoint_url": url, "transport": transport},
            rate={"tps": 50_000, "in_flight_max": 256, "adaptive": False},
        )
        result = command("run", config, env=KEYS)
    assert_advice(result, 4, "certificate is not trusted")
    assert [line.split()[1] for line in result.stderr.splitlines()[:-2]] == ["info"]  # start
    assert not requests


@pytest.mark.parametrize("transport", ["wire", "sdk"])
@pytest.mark.parametrize(
    "line", ["ca_bundle = false", "ca_bundle = False", "verify = false", "verify_ssl = false"]
)
def test_a_profile_cannot_switch_it_off_either(
    line: str, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """What is taken for the name of a file is an error (2), all else makes no difference."""
    write_users(tmp_path, 3)
    profile = tmp_path / "aws-config"
    profile.write_text(f"[profile p]\n{line}\naws_access_key_id = A\naws_secret_access_key = s\n")
    requests: list[bytes] = []
    with stranger(requests) as url:
        target = {"endpoint_url": url, "transport": transport, "profile": "p"}
        result = command(
            "run",
            write_config(target=target, rate={"in_flight_max": 1}),
            env={"AWS_CONFIG_FILE": str(profile)},
        )
    is_file = line.startswith("ca_bundle")
    says = "trust root" if is_file else "certificate is not trusted"
    assert_advice(result, 2 if is_file else 4, says)
    assert not requests
