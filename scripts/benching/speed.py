"""Mode `speed`: calls a second, processor time and memory of this project and of others."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benching.clients import (
    BASELINES,
    IN_FLIGHT,
    THREADS,
    VENV,
    Case,
    Client,
    Sample,
    Wrk,
    baseline,
    build_go,
    go_client,
    make_venv,
    this_project,
    versions,
)
from benching.process import PROJECT, BenchError, program, said_by
from benching.server import Server
from worker import __version__

CASES = {
    "tls-25": Case(tls=True, items=25),
    "plain-25": Case(tls=False, items=25),
    "tls-500": Case(tls=True, items=500),
    "plain-500": Case(tls=False, items=500),
}
PYTHON_BASELINES = {
    "aioboto3": (f"{IN_FLIGHT} tasks, whole job", IN_FLIGHT),
    "boto3": (f"{THREADS} threads, whole job", THREADS),
    "capo": (f"{IN_FLIGHT} tasks, whole job", IN_FLIGHT),
}
TRANSPORTS = {"worker": None, "worker-wire": "wire", "worker-sdk": "sdk"}
NAMES = (*TRANSPORTS, *PYTHON_BASELINES, "go", "wrk")
UNLESS_ASKED = ("worker-wire", "worker-sdk")
BUSY = 0.5  # load average beyond which others disturb
NOTES = """\
Each figure is the median of {rounds} round(s), in which clients take turns. calls/s and CPU are \
those of the calls that a long run makes more than a short one, so that no client's start counts; \
ratios are medians of those within each round: a machine's own speed may change between them; \
jobs go from Parquet to Parquet. CPU is user and system time, of the client's process alone. peak \
is of the long run's whole process. spread is the range over the rounds. All answers are equal, \
which makes them easier to compress than real ones, for everybody."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--rounds", type=int, default=5, help="of every client (default: 5)")
    parser.add_argument("--seconds", type=float, default=7.0, help="of each run (default: 7)")
    parser.add_argument("--only", type=_names(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument("--cases", type=_names(CASES), help=f"some of {','.join(CASES)}")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Measure every client in every case; return all that is known."""
    rounds, seconds = (1, 1.0) if options.quick else (options.rounds, options.seconds)
    if rounds < 1 or seconds <= 0:
        raise BenchError("there is nothing to do", hint="--rounds and --seconds are at least 1")
    names = options.only or [name for name in NAMES if name not in UNLESS_ASKED]
    binary, why_not = build_go(scratch) if "go" in names else (None, "")
    if why_not:
        print(f"go is left out: {why_not}", file=sys.stderr)
        names = [name for name in names if name != "go"]
    clients = [_client(name, server, scratch, binary) for name in names]
    cases = [CASES[name] for name in options.cases or CASES]
    load = os.getloadavg()[0]
    if load > BUSY:
        print(f"the machine is busy (load {load:.1f}): expect noise", file=sys.stderr)
    amounts = {(case, c.name): c.amount(case, seconds) for case in cases for c in clients}
    samples: dict[tuple[Case, str], list[Sample]] = {key: [] for key in amounts}
    for number in range(1, rounds + 1):
        for case in cases:
            for client in clients:
                key = case, client.name
                samples[key].append(client.sample(case, amounts[key]))
                _tell(f"round {number}/{rounds}", case, client, samples[key][-1])
    return {
        "machine": machine(server.software, versions(binary)) + f", load {load:.1f} before",
        "rounds": rounds,
        "skipped": {"go": why_not} if why_not else {},
        "cases": [
            {
                "title": case.title,
                "tls": case.tls,
                "items": case.items,
                "clients": [_row(c, samples[case, c.name]) for c in clients],
            }
            for case in cases
        ],
    }


def show(found: dict[str, Any]) -> str:
    """Return the tables, in Markdown."""
    lines = []
    for case in found["cases"]:
        rates = {row["name"]: row["rates"] for row in case["clients"]}
        lines += [
            f"**{case['title']}**",
            "",
            "| client | calls/s | spread | CPU us/call | peak MiB | to aioboto3 | to wrk |",
            "|---|--:|--:|--:|--:|--:|--:|",
        ]
        lines += [
            f"| {row['name']} ({row['about']}) | {row['per_s']:,.0f} | {row['spread']:.0%} "
            f"| {row['cpu_us']:,.0f} | {row['peak_mib']:,.0f} "
            f"| {_ratio(row['rates'], rates.get('aioboto3'), '.1f', 'x')} "
            f"| {_ratio(row['rates'], rates.get('wrk'), '.1%', '')} |"
            for row in case["clients"]
        ]
        lines.append("")
    lines += [f"go is left out: {why}" for why in found["skipped"].values()]
    return "\n".join([*lines, NOTES.format(rounds=found["rounds"]), "", found["machine"]])


def machine(server: str, baselines: Iterable[str]) -> str:
    """Return one line on what was measured, and on what."""
    revision = said_by("git", "-C", str(PROJECT), "describe", "--always", "--dirty")
    return ", ".join(
        [
            f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
            f"Linux {platform.release()}",
            f"Python {platform.python_version()}",
            f"personalize-worker {__version__} ({revision})",
            server,
            *baselines,
        ]
    )


def _client(name: str, server: Server, scratch: Path, binary: Path | None) -> Client:
    if name in TRANSPORTS:
        return this_project(server, scratch, name, TRANSPORTS[name])
    if name in PYTHON_BASELINES:
        make_venv(VENV, BASELINES)
        return baseline(server, scratch, name, *PYTHON_BASELINES[name])
    if binary is not None and name == "go":
        return go_client(server, scratch, binary)
    return Wrk(server, scratch, program("wrk", package="wrk"))


def _row(client: Client, samples: Sequence[Sample]) -> dict[str, Any]:
    start_wall_s = median(sample.start_wall_s for sample in samples)
    start_cpu_s = median(sample.start_cpu_s for sample in samples)
    rates = [sample.per_s(start_wall_s) for sample in samples]
    return {
        "name": client.name,
        "about": client.about,
        "rates": rates,
        "per_s": median(rates),
        "spread": (max(rates) - min(rates)) / median(rates),
        "cpu_us": median(sample.cpu_us(start_cpu_s) for sample in samples),
        "peak_mib": median(sample.peak_mib for sample in samples),
        "samples": [sample._asdict() for sample in samples],
    }


def _ratio(rates: Sequence[float], others: Sequence[float] | None, form: str, unit: str) -> str:
    """Show the median of the rounds' ratios: a machine may be slower in one of them."""
    if others is None:
        return ""
    return f"{median(one / other for one, other in zip(rates, others, strict=True)):{form}}{unit}"


def _tell(when: str, case: Case, client: Client, sample: Sample) -> None:
    numbers = f"{sample.calls:>9,} calls in {sample.wall_s:5.1f} s, of which start and end "
    print(
        f"{when}  {case.title:<16} {client.name:<12}{numbers}{sample.start_wall_s:.1f} s",
        file=sys.stderr,
    )


def _names(known: Sequence[str] | dict[str, Any]) -> Any:
    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := set(chosen) - set(known):
            raise argparse.ArgumentTypeError(
                f"{', '.join(sorted(unknown))}: not one of {', '.join(known)}"
            )
        return chosen

    return names


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
