"""Clients nobody here wrote run the same scenario file and agree on every answer and error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aioboto3
import pytest
from botocore.exceptions import ClientError
from capo_personalize_runtime import (
    AsyncPersonalizeRuntimeClient,
    Credentials,
    errors,
)
from support.emulator import client, emulator

ARN = "arn:aws:personalize:us-east-1:000000000000:"
SCENARIOS: list[dict[str, Any]] = json.loads(
    re.sub(
        "(CAMPAIGN|RECOMMENDER|FILTER)/",
        lambda found: f"{ARN}{found[1].lower()}/",
        Path(__file__).with_name("scenarios.json").read_text(),
    )
)
KEYS = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
GENRE = {"name": "genre", "expression": "INCLUDE ItemID WHERE Items.GENRES IN ($GENRE)"}

Ended = tuple[str, Any]  # ("answer", members) or ("error", code)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with emulator(filters=[GENRE]) as found:
        yield found


def snake(name: str) -> str:
    return re.sub("([A-Z])", r"_\1", name).lower().lstrip("_")


def answer(members: dict[str, Any]) -> Ended:
    """An answer without what differs between two calls: its ID, and the SDK's own member."""
    assert len(members["recommendationId"]) == 40
    own = {"recommendationId", "ResponseMetadata"}
    return "answer", {name: value for name, value in members.items() if name not in own}


def with_boto3(address: str, scenario: dict[str, Any]) -> Ended:
    runtime = client("personalize-runtime", address)
    call = getattr(runtime, snake(scenario["operation"]))
    if "error" not in scenario:
        return answer(call(**scenario["request"]))
    with pytest.raises(getattr(runtime.exceptions, scenario["error"])) as caught:
        call(**scenario["request"])
    return "error", caught.value.response["Error"]["Code"]


async def with_aioboto3(address: str, scenario: dict[str, Any]) -> Ended:
    session = aioboto3.Session(
        aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1"
    )
    async with session.client("personalize-runtime", endpoint_url=address) as runtime:
        try:
            call = getattr(runtime, snake(scenario["operation"]))
            return answer(await call(**scenario["request"]))
        except ClientError as error:
            return "error", error.response["Error"]["Code"]


def with_aws_cli(address: str, scenario: dict[str, Any], folder: Path) -> Ended:
    request = folder / "request.json"
    request.write_text(json.dumps(scenario["request"]))
    command = Path(sys.executable).with_name("aws")
    operation = snake(scenario["operation"]).replace("_", "-")
    ended = subprocess.run(
        [
            sys.executable,
            str(command),
            "personalize-runtime",
            operation,
            *("--endpoint-url", address, "--region", "us-east-1", "--output", "json"),
            *("--cli-input-json", f"file://{request}"),
        ],
        env={**KEYS, "AWS_EC2_METADATA_DISABLED": "true", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode == 0:
        return answer(json.loads(ended.stdout))
    found = re.search(r"\((\w+)\) when calling", ended.stderr)
    assert found, ended.stderr
    return "error", found[1]


def camel(value: Any) -> Any:
    """What capo calls `item_id` is `itemId` to everybody else; values and metadata stay."""
    if isinstance(value, list):
        return [camel(part) for part in value]
    if not isinstance(value, dict):
        return value
    return {
        re.sub("_(.)", lambda found: found[1].upper(), name): part
        if name == "metadata"
        else camel(part)
        for name, part in value.items()
        if part is not None
    }


async def with_capo(address: str, scenario: dict[str, Any]) -> Ended:
    request = {snake(name): value for name, value in scenario["request"].items()}
    if "promotions" in request:
        request["promotions"] = [
            {snake(name): value for name, value in each.items()} for each in request["promotions"]
        ]
    runtime = AsyncPersonalizeRuntimeClient(
        endpoint=address,
        region="us-east-1",
        credentials=Credentials(access_key="any", secret_key="any"),
        retry_max_attempts=1,
    )
    async with runtime:
        try:
            answered = await getattr(runtime, snake(scenario["operation"]))(**request)
            return answer(camel(dict(answered)))
        except (errors.InvalidInputException, errors.ResourceNotFoundException) as error:
            return "error", type(error).__name__


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each["name"])
async def test_clients_nobody_here_wrote_agree(
    address: str, scenario: dict[str, Any], tmp_path: Path
) -> None:
    expected = with_boto3(address, scenario)
    assert await with_aioboto3(address, scenario) == expected
    assert await with_capo(address, scenario) == expected
    assert with_aws_cli(address, scenario, tmp_path) == expected
