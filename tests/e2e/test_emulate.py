"""What `emulate` says when it serves, and that a client needs no more than it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.runs import clean_environment, wait_until

PREFIX = "arn:aws:personalize:eu-west-1:123456789012:"
EMULATOR = {
    "port": 0,
    "region": "eu-west-1",
    "account": "123456789012",
    "campaigns": [{"name": "home", "recipe": "aws-user-personalization-v2"}],
    "recommenders": [{"name": "picks", "use_case": "aws-vod-top-picks"}],
    "filters": [{"name": "new", "expression": "INCLUDE ItemID WHERE Items.YEAR > 2000"}],
}
ARNS = [f"{PREFIX}{name}" for name in ("campaign/home", "recommender/picks", "filter/new")]
CLIENT = """
import boto3, json, sys
home = sys.argv[1]
campaign = boto3.client("personalize").describe_campaign(campaignArn=home)["campaign"]
items = boto3.client("personalize-runtime").get_recommendations(campaignArn=home, userId="u0001")
print(json.dumps([campaign["status"], len(items["itemList"])]))
"""


@contextmanager
def emulate(folder: Path, *flags: str, **settings: Any) -> Iterator[tuple[str, Path]]:
    """Start `emulate`; yield its address, and the file that its stderr goes to."""
    values = {"emulator." + name: value for name, value in {**EMULATOR, **settings}.items()}
    command = [sys.executable, "-m", "worker", "emulate", "--until-eof", *flags]
    for key, value in values.items():
        command += ["--set", f"{key}={toml(value)}"]
    told = folder / "stderr.txt"
    with (
        told.open("w") as stderr,
        subprocess.Popen(
            command,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stdin is not None
        line = process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), told.read_text()
        yield line.removeprefix("ready ").strip(), told
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def toml(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def test_a_client_that_has_read_the_lines_gets_answers(tmp_path: Path) -> None:
    with emulate(tmp_path) as (url, told):
        wait_until(lambda: ARNS[-1] in told.read_text())
        text = told.read_text()
        lines = [line for line in text.splitlines() if line.startswith(("export ", "unset ", "# "))]
        script = tmp_path / "client.sh"
        script.write_text("\n".join([*lines, 'exec "$@"']))
        home = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        mine = {"AWS_PROFILE": "nightly", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}
        ended = subprocess.run(
            ["/bin/sh", str(script), sys.executable, "-c", CLIENT, ARNS[0]],
            env={**home, **mine, "AWS_SESSION_TOKEN": "old"},
            capture_output=True,
            text=True,
            check=False,
        )
    assert json.loads(ended.stdout) == ["ACTIVE", 25], ended.stderr
    assert f"AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME={url}" in text
    assert [line.removeprefix("# ") for line in lines if "arn:" in line] == ARNS


def test_a_declared_secret_is_not_among_the_lines(tmp_path: Path) -> None:
    keys = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "very-hidden"}
    with emulate(tmp_path, credentials=[keys]) as (_, told):
        wait_until(lambda: ARNS[-1] in told.read_text())
        text = told.read_text()
    assert "AWS_ACCESS_KEY_ID=AKIDEXAMPLE" in text
    assert "very-hidden" not in text


@pytest.mark.parametrize("flags", [("--quiet",), ("--log-format", "json")])
def test_nothing_of_it_is_said_where_it_would_be_in_the_way(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    with emulate(tmp_path, *flags) as (_, told):
        pass
    assert "export" not in told.read_text()
    for line in told.read_text().splitlines():
        json.loads(line)


def test_what_aws_would_refuse_is_warned_of_and_with_strict_refused(tmp_path: Path) -> None:
    data = tmp_path / "interactions.csv"
    data.write_text("USER_ID,ITEM_ID,TIMESTAMP\na,1,1700000000000\nb,2,1700000000001\n")
    with emulate(tmp_path, interactions=str(data), filters=[]) as (_, told):
        text = told.read_text()
    for says in ("2 different interactions", "looks like milliseconds"):
        assert "warning" in text
        assert says in text
    command = [sys.executable, "-m", "worker", "emulate", "--set", "emulator.strict=true"]
    command += ["--set", f"emulator.interactions={toml(str(data))}"]
    ended = subprocess.run(
        command, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "2 different interactions" in ended.stderr
    assert "looks like milliseconds" in ended.stderr
    assert "emulator.strict = false" in ended.stderr


def test_the_emulators_book_names_the_sdks_that_ignore_the_endpoint_variables() -> None:
    book = Path(__file__).parents[2] / "worker" / "emulator" / "README.md"
    text = " ".join(book.read_text().split())
    clients = ("boto3 before 1.28", "JavaScript v2", "SDK for Go v2", "Debian's AWS CLI 2.9")
    assert all(client in text for client in clients)
