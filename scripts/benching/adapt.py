"""Mode `adapt`: what is made of a capacity that steps from 100/s to 400/s and back.

The built-in emulator throttles; its own count, second by second, is what is reported. The same
users, as many calls at a time: this project, and boto3 in threads with its retry modes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benching.clients import BASELINES, VENV, make_venv
from benching.job import Job, users_file, worker_environment
from benching.process import PROJECT, REGION, BenchError, environment

STEPS_PER_S = (100, 400, 100)
STEP_S, QUICK_STEP_S = 30, 8
SETTLING_S = 2  # of each step, whose throttles are not counted
IN_FLIGHT = 64
TPS_MAX = 1000.0  # of this project: it has to find the capacity below it
ATTEMPTS_MAX = 6
MODES = ("adaptive", "standard")  # of botocore
_ARN = f"arn:aws:personalize:{REGION}:000000000000:campaign/user-personalization-v2"
# Rows beyond what the steps can take. Only this project does them all; botocore loses more.
_SPARE_SHARE, _SPARE_SHARE_OF_BOTO3 = 0.3, 2.0
_START_TIMEOUT_S, _END_TIMEOUT_S = 60.0, 300.0


class Step(NamedTuple):
    """What came of one step."""

    capacity_per_s: int
    delivered_share: float  # of the capacity, over the whole step
    throttled_share: float  # of the attempts, after `SETTLING_S`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    known = ",".join(("worker", *MODES))
    parser.add_argument("--only", default=known, help=f"clients (default: {known})")


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Take one client after the other through the steps."""
    step_s = QUICK_STEP_S if options.quick else STEP_S
    clients = []
    for name in options.only.split(","):
        spare = _SPARE_SHARE if name == "worker" else _SPARE_SHARE_OF_BOTO3
        users = users_file(scratch, round(sum(STEPS_PER_S) * step_s * (1 + spare)))
        print(f"{name}: {len(STEPS_PER_S) * step_s} s", file=sys.stderr)
        with _emulator(scratch) as address:
            if name == "worker":
                command, env = _worker(address, users, scratch), worker_environment(scratch)
            else:
                make_venv(VENV, BASELINES)
                command, env = _boto3(address, users, scratch, name, step_s), environment()
            env["XDG_STATE_HOME"] = str(scratch / "state")  # nothing is remembered from before
            steps, said = _taken_through(command, env, address, scratch, step_s)
        lost = said["rows_failed"]
        clients.append({"name": name, "steps": [each._asdict() for each in steps], "lost": lost})
        shutil.rmtree(scratch / "state", ignore_errors=True)
    return {"step_s": step_s, "clients": clients}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = [
        f"{found['step_s']} s a step; throttled: of the attempts after its first {SETTLING_S} s",
        "",
        "| client | capacity | delivered of it | throttled | rows lost in all |",
        "|---|--:|--:|--:|--:|",
    ]
    for client in found["clients"]:
        lines += [
            f"| {client['name']} | {step['capacity_per_s']}/s | {step['delivered_share']:.1%} "
            f"| {step['throttled_share']:.2%} | {client['lost']:,} |"
            for step in client["steps"]
        ]
    return "\n".join(lines)


def _worker(address: str, users: Path, scratch: Path) -> list[str]:
    """Return the command of the whole job."""
    output, config = scratch / "adapted", scratch / "adapt.toml"
    shutil.rmtree(output, ignore_errors=True)
    job = Job(
        endpoint=address,
        certificate=scratch,
        items=25,
        rows=0,
        tps=TPS_MAX,
        in_flight=IN_FLIGHT,
        arn=_ARN,
    )
    config.write_text(job.config(users, output) + f"[retry]\nattempts_max = {ATTEMPTS_MAX}\n")
    return [sys.executable, "-m", "worker", "run", str(config), "--json", "--quiet"]


def _boto3(address: str, users: Path, scratch: Path, mode: str, step_s: int) -> list[str]:
    """Return the command of the calls that boto3 makes, ended when the steps are over."""
    script = [str(VENV / "bin" / "python"), str(PROJECT / "scripts" / "bench-client"), "boto3"]
    files = [str(users), str(scratch / "adapted.parquet"), address, "--arn", _ARN]
    numbers = ["--in-flight", str(IN_FLIGHT), "--attempts-max", str(ATTEMPTS_MAX)]
    seconds = str(len(STEPS_PER_S) * step_s + 2)
    return [*script, *files, *numbers, "--retry-mode", mode, "--seconds", seconds]


def _taken_through(
    command: Sequence[str], env: dict[str, str], address: str, scratch: Path, step_s: int
) -> tuple[list[Step], dict[str, Any]]:
    """Run a client while the capacity steps; return what came of it, and what the client says."""
    with (
        (scratch / "errors.txt").open("w+") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, cwd=PROJECT, env=env, text=True
        ) as process,
    ):
        try:
            begun = _first_second(address, process)
            for number, per_s in enumerate(STEPS_PER_S):
                time.sleep(max(0.0, begun + number * step_s - time.time()))
                _set_capacity(address, per_s)
            end = begun + len(STEPS_PER_S) * step_s
            time.sleep(max(0.0, end + 0.5 - time.time()))
            seconds = _seconds(address)
            _set_capacity(address, 100_000)  # for the rest, which is not measured
            said = process.communicate(timeout=_END_TIMEOUT_S)[0]
        finally:
            process.kill()
        if process.returncode not in (0, 3):
            errors.seek(0)
            raise BenchError(f"it failed: {errors.read()[-2000:]}", hint="run it alone to see why")
    starts = range(begun, end, step_s)
    steps = [
        _step(per_s, start, step_s, seconds)
        for per_s, start in zip(STEPS_PER_S, starts, strict=True)
    ]
    return steps, json.loads(said)


def _step(per_s: int, start: int, step_s: int, seconds: dict[int, dict[str, int]]) -> Step:
    none = {"served": 0, "throttled": 0}
    counts = [seconds.get(second, none) for second in range(start, start + step_s)]
    settled = counts[SETTLING_S:]
    throttled = sum(each["throttled"] for each in settled)
    attempts = throttled + sum(each["served"] for each in settled)
    served = sum(each["served"] for each in counts)
    return Step(per_s, served / (per_s * step_s), throttled / max(1, attempts))


@contextmanager
def _emulator(scratch: Path) -> Iterator[str]:
    """Start the emulator with the first step's capacity; yield its address."""
    name, recipe = _ARN.rpartition("/")[2], "aws-user-personalization-v2"
    campaign = f'{{name="{name}", recipe="{recipe}", min_provisioned_tps=100000}}'
    command = [sys.executable, "-m", "worker", "emulate", "--until-eof", "--quiet"]
    for setting in (
        "port=0",
        f"campaigns=[{campaign}]",
        f"capacity={{campaign_tps_max={STEPS_PER_S[0]}}}",
        "weather={latency_ms_p50=20, latency_ms_p99=60}",
    ):
        command += ["--set", f"emulator.{setting}"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=PROJECT,
        env=worker_environment(scratch),
        text=True,
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line.startswith("ready "):
                raise BenchError("the emulator did not start", hint="see its message above")
            yield line.removeprefix("ready ").strip()
        finally:
            process.kill()


def _first_second(address: str, process: subprocess.Popen[str]) -> int:
    """Wait for the client's first call; return the whole second that the first step begins at."""
    give_up_s = time.monotonic() + _START_TIMEOUT_S
    while not _seconds(address):
        if process.poll() is not None or time.monotonic() > give_up_s:
            raise BenchError("the client made no call", hint="run it alone to see why")
        time.sleep(0.05)
    return int(time.time()) + 1


def _seconds(address: str) -> dict[int, dict[str, int]]:
    """Return what was served and throttled, by Unix second."""
    report = _asked(address, "GET", "/emulator/stats?seconds=600")
    return {each["second"]: each["resources"][_ARN] for each in report["seconds"]}


def _set_capacity(address: str, per_s: int) -> None:
    settings = {"campaign_tps_max": per_s, "account_tps_max": 1e6}
    _asked(address, "PUT", "/emulator/capacity", json.dumps(settings))


def _asked(address: str, method: str, path: str, body: str | None = None) -> Any:
    where = urlsplit(address)
    with closing(HTTPConnection(where.hostname or "", where.port or 0, timeout=10)) as connection:
        connection.request(method, path, body)
        return json.load(connection.getresponse())
