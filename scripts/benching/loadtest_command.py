"""Runs `personalize-worker loadtest` as users do; on the emulator in some modes."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benching.job import users_file, worker_environment
from benching.process import ARN, PROJECT, BenchError, Usage, measure

CAMPAIGN = "user-personalization"
EMULATED_ARN = f"arn:aws:personalize:us-east-1:000000000000:campaign/{CAMPAIGN}"
_USERS = 10_000
_JUDGED_CODES = (0, 5)  # 5: a verdict, which is not what is measured here


def load_tested(
    section: Mapping[str, Any],
    scratch: Path,
    *,
    endpoint: str,
    timeout_s: float,
    arn: str = ARN,
    certificate: Path | None = None,
) -> tuple[Usage, dict[str, Any], Path]:
    """Run a load test with the section [loadtest]; return usage, result and folder."""
    output, config = scratch / "loadtest", scratch / "loadtest.toml"
    target = {"operation": "GetRecommendations", "campaign_arn": arn, "endpoint_url": endpoint}
    if certificate is not None:
        target["ca_bundle"] = str(certificate)
    sections: dict[str, Any] = {
        "target": target,
        "input": {"path": str(users_file(scratch, _USERS)), "columns": {"user_id": "USER_ID"}},
        "output": {"path": str(output)},
        "loadtest": dict(section),
    }
    config.write_text("".join(f"{name} = {inline(keys)}\n" for name, keys in sections.items()))
    usage = measure(
        [sys.executable, "-m", "worker", "loadtest", config, "--overwrite", "--quiet"],
        scratch=scratch,
        env=worker_environment(scratch),
        timeout_s=timeout_s,
        codes=_JUDGED_CODES,
    )
    return usage, dict(json.loads((output / "_loadtest.json").read_text())), output


def inline(value: Any) -> str:
    """Return inline TOML; strings and numbers are written alike in JSON and TOML."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(key))} = {inline(part)}" for key, part in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    return json.dumps(value)


@contextmanager
def emulator(section: Mapping[str, Any], scratch: Path) -> Iterator[str]:
    """Start the emulator with a section [emulator]; yield its address; end it."""
    config = scratch / "emulator.toml"
    config.write_text(f"emulator = {inline({**section, 'port': 0})}\n")
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "emulate", str(config), "--quiet"],
        stdout=subprocess.PIPE,
        env=worker_environment(scratch),
        cwd=PROJECT,
        text=True,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("ready "):
                raise BenchError("the emulator does not start", hint="its message is above")
            yield line.removeprefix("ready ").strip()
        finally:
            process.terminate()


def asked(address: str, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
    """Return what the emulator's own endpoint answers."""
    request = urllib.request.Request(address + path, data=body, method=method)  # noqa: S310 - http
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return dict(json.load(answer))
