"""Mode `generate`: what it costs to make load, beside Locust's FastHttpUser and k6.

All of them call the canned server over plain HTTP from one core, as fast as they can with the same
number of connections, and sign every request with SigV4. Locust signs with botocore, as its users
do; k6 with a script of its own crypto. Locust without a signature is there to compare.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benching.clients import make_venv
from benching.loadtest_command import load_tested
from benching.process import ARN, PROJECT, BenchError, Usage, environment, measure, program
from benching.server import Server

CONNECTIONS = 64
QUICK_S = 5.0
VENV = PROJECT / ".venv-bench-load"
PACKAGES = ("locust", "k6", "botocore")
TPS_MAX = 100_000  # more than any makes: they are as fast as they can be
_SCRIPTS = PROJECT / "scripts"


class Made(NamedTuple):
    """What one of them did."""

    calls_per_s: float
    cpu_us: float  # of a call, the start included


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--seconds", type=float, default=15.0, help="of each try (default: 15)")
    parser.add_argument("--rounds", type=int, default=3, help="in which they take turns")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Let all of them take turns; the medians count."""
    make_venv(VENV, PACKAGES)
    seconds = QUICK_S if options.quick else options.seconds
    endpoint = server.endpoint(tls=False, items=25)
    pinned = [program("taskset", package="util-linux"), "--cpu-list", str(max(_cores()))]

    def locust(*, signed: bool) -> Made:
        return locust_made(pinned, endpoint, scratch, seconds, signed=signed)

    makers: dict[str, Callable[[], Made]] = {
        "loadtest": lambda: this_project(endpoint, scratch, seconds),
        "Locust FastHttpUser, botocore's SigV4": lambda: locust(signed=True),
        "Locust FastHttpUser, unsigned": lambda: locust(signed=False),
        "k6, SigV4 in its script": lambda: k6_made(pinned, endpoint, scratch, seconds),
    }
    tries: dict[str, list[Made]] = {name: [] for name in makers}
    for number in range(1 if options.quick else options.rounds):
        names = list(makers)
        random.Random(number).shuffle(names)  # noqa: S311 - repeatable on purpose
        for name in names:
            tries[name].append(makers[name]())
    return {
        name: {
            "calls_per_s": median(each.calls_per_s for each in made),
            "cpu_us": median(each.cpu_us for each in made),
            "all": [each._asdict() for each in made],
        }
        for name, made in tries.items()
    }


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = ["| from one core | calls/s | CPU us/call | loadtest makes |", "|---|--:|--:|--:|"]
    own = found["loadtest"]["calls_per_s"]
    lines += [
        f"| {name} | {made['calls_per_s']:,.0f} | {made['cpu_us']:,.0f} "
        f"| {own / made['calls_per_s']:.1f}x |"
        for name, made in found.items()
    ]
    return "\n".join(lines)


def this_project(endpoint: str, scratch: Path, seconds: float) -> Made:
    """Run a load test that asks for more than can be made."""
    section = {
        "stages": [{"tps": TPS_MAX, "seconds": seconds}],
        "in_flight_max": CONNECTIONS,
    }
    core = max(_cores())
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})  # what is started inherits it
    try:
        usage, result, _ = load_tested(
            section, scratch, endpoint=endpoint, timeout_s=120 + 4 * seconds
        )
    finally:
        os.sched_setaffinity(0, before)
    total = result["total"]
    if total["successes"] != total["calls"]:
        raise BenchError(f"calls failed: {total['errors']}", hint="see whether nginx is there")
    # Calls that waited end after the stage; they are at most as many as there are connections.
    return _made(total["calls"], seconds, usage)


def locust_made(
    pinned: list[str], endpoint: str, scratch: Path, seconds: float, *, signed: bool
) -> Made:
    """Run Locust without its web page."""
    command = [*pinned, str(VENV / "bin" / "locust"), "-f", str(_SCRIPTS / "bench-locust.py")]
    load = ["--headless", "--users", str(CONNECTIONS), "--spawn-rate", str(CONNECTIONS)]
    until = ["--run-time", f"{seconds:g}s", "--host", endpoint, "--loglevel", "ERROR"]
    report = ["--only-summary", "--reset-stats", "--csv", str(scratch / "locust")]
    usage = measure(
        [*command, *load, *until, *report],
        scratch=scratch,
        env=environment(BENCH_ARN=ARN, BENCH_SIGNED="1" if signed else ""),
        timeout_s=60 + 4 * seconds,
    )
    with (scratch / "locust_stats.csv").open() as file:
        (stats,) = (row for row in csv.DictReader(file) if row["Name"] == "Aggregated")
    if int(stats["Failure Count"]) or not int(stats["Request Count"]):
        raise BenchError(f"Locust says: {usage.output}", hint="run it alone to see why")
    calls = int(stats["Request Count"])
    return _made(calls, calls / float(stats["Requests/s"]), usage)


def k6_made(pinned: list[str], endpoint: str, scratch: Path, seconds: float) -> Made:
    """Run k6 with one thread for its scripts."""
    summary = scratch / "k6.json"
    load = ["--vus", str(CONNECTIONS), "--duration", f"{seconds:g}s", "--quiet"]
    values = [word for pair in (f"ARN={ARN}", f"URL={endpoint}") for word in ("--env", pair)]
    command = [*pinned, str(VENV / "bin" / "k6"), "run", *load, *values]
    usage = measure(
        [*command, "--summary-export", str(summary), str(_SCRIPTS / "bench-k6.js")],
        scratch=scratch,
        env=environment(GOMAXPROCS="1", K6_NO_USAGE_REPORT="true"),
        timeout_s=60 + 4 * seconds,
    )
    metrics = json.loads(summary.read_text())["metrics"]
    if metrics["http_req_failed"]["value"]:
        raise BenchError("k6's calls failed", hint="see whether nginx is there")
    count, rate = metrics["http_reqs"]["count"], metrics["http_reqs"]["rate"]
    return _made(count, count / rate, usage)


def _made(calls: int, seconds: float, usage: Usage) -> Made:
    return Made(calls_per_s=calls / seconds, cpu_us=usage.cpu_s / calls * 1e6)


def _cores() -> set[int]:
    if sys.platform != "linux":
        raise BenchError("this is not Linux", hint="measure on Linux, in a container say")
    return set(os.sched_getaffinity(0))
