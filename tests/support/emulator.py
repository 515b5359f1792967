"""The emulator: a process of its own, its clients (boto3, plain HTTP), and its answers alone."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from botocore.config import Config

from worker.emulator.api.answer import Answers
from worker.emulator.data.datasets import load
from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings

MAIN = """
import sys, anyio
from worker.emulator.server import serve
from worker.emulator.settings import EmulatorSettings
settings = EmulatorSettings.model_validate_json(sys.argv[1])
async def main():
    await serve(settings, on_ready=lambda address: print(address, flush=True))
anyio.run(main)
"""


@contextmanager
def emulator(**settings: Any) -> Iterator[str]:
    """A server in a process of its own; its address."""
    command = [sys.executable, "-c", MAIN, json.dumps({"port": 0, **settings})]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address.startswith("http://"), "the emulator did not start"
            yield address
        finally:
            process.kill()


def client(service: str, address: str, *, keys: tuple[str, str] = ("any", "any")) -> Any:
    """A boto3 client that tries once."""
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=address,
        aws_access_key_id=keys[0],
        aws_secret_access_key=keys[1],
        config=Config(retries={"total_max_attempts": 1}),
    )


def post(
    address: str, path: str, body: bytes = b"", method: str = "POST", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own: status, headers, body."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


ARN = "arn:aws:personalize:us-east-1:000000000000:"
Items = list[dict[str, Any]]
# One resource of each kind, under names of the tests' own.
DECLARED = EmulatorSettings.model_validate(
    {
        "campaigns": [
            {"name": "user", "recipe": "aws-user-personalization-v2", "metadata": True},
            {"name": "ranking", "recipe": "aws-personalized-ranking-v2", "metadata": True},
            {"name": "similar", "recipe": "aws-similar-items", "metadata": True},
            {"name": "action", "recipe": "aws-next-best-action"},
            {"name": "popular", "recipe": "aws-popularity-count"},
        ],
        "recommenders": [{"name": "top-picks", "use_case": "aws-vod-top-picks"}],
    }
)


class Emulated:
    """Answers of the default resources, on made-up data or on some tables."""

    def __init__(
        self, folder: Path | None = None, *, filters: dict[str, str] | None = None, **values: Any
    ) -> None:
        """Tables among the values are written to the folder."""
        for name, value in values.items():
            if isinstance(value, pa.Table) and folder is not None:
                path = folder / f"{name}.parquet"
                pq.write_table(value, path)
                values[name] = str(path)
        values["filters"] = [
            {"name": name, "expression": text} for name, text in (filters or {}).items()
        ]
        settings = EmulatorSettings.model_validate(values)
        self.data = load(settings)
        self.answers = Answers(settings, self.data, Resources(settings))

    def items(self, name: str, **members: Any) -> Items:
        """GetRecommendations of a campaign, or of a recommender if that is what it is called."""
        kind = "recommender" if name.startswith(("vod-", "ecomm-")) else "campaign"
        request = {f"{kind}Arn": f"{ARN}{kind}/{name}"} | members
        body = self.answers.get_recommendations(orjson.dumps(request))
        found: Items = orjson.loads(body)["itemList"]
        return found

    def rank(self, name: str = "personalized-ranking", **members: Any) -> Items:
        """GetPersonalizedRanking."""
        request = {"campaignArn": f"{ARN}campaign/{name}"} | members
        body = self.answers.get_personalized_ranking(orjson.dumps(request))
        found: Items = orjson.loads(body)["personalizedRanking"]
        return found

    def actions(self, name: str = "next-best-action", **members: Any) -> Items:
        """GetActionRecommendations."""
        request = {"campaignArn": f"{ARN}campaign/{name}"} | members
        body = self.answers.get_action_recommendations(orjson.dumps(request))
        found: Items = orjson.loads(body)["actionList"]
        return found


def filter_arn(name: str) -> str:
    """Return the ARN of a filter."""
    return f"{ARN}filter/{name}"


def ids(items: Items) -> list[str]:
    """Return the IDs of items, in order."""
    return [item["itemId"] for item in items]


def promotion(percent: int, filter_name: str, **members: Any) -> Items:
    """Return the member `promotions`."""
    return [
        {"name": "spring", "percentPromotedItems": percent, "filterArn": filter_arn(filter_name)}
        | members
    ]
