"""The emulator as a process of its own, and clients for it: boto3 and plain HTTP."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

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
            yield process.stdout.readline().strip()
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
