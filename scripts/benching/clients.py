"""Whoever makes calls: this project, what users write today, and wrk as the limit.

Clients that make a given number of calls are run twice, for a few calls and for many. The calls
and the seconds that the second run has more are the rate: what a program takes to start, import,
connect and end cancels out, in the same way for every language and without trust in what a client
says of itself. The few are enough to open every connection; of their runs, the median counts.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benching.job import Job, check_results, finished, users_file
from benching.process import ARN, PROJECT, BenchError, Usage, environment, measure, program, said_by
from benching.server import Server

IN_FLIGHT = 64
THREADS = 32  # of boto3: more of them are slower, Python runs one at a time
FEW_CALLS = 2 * IN_FLIGHT
PROBE_CALLS = 512
CALLS_MAX = 4_000_000
TIMEOUT_S = 900.0
BASELINES = ("aioboto3", "boto3", "capo-personalize-runtime", "pyarrow")
VENV = PROJECT / ".venv-bench"
_GO_SOURCES = "/usr/share/gocode"
_WRK_SCRIPT = """
local number = 0
local headers = {["Content-Type"] = "application/json"}
function request()
  number = number + 1
  local user = string.format("user-%08d", number)
  local body = '{"campaignArn":"ARN","userId":"' .. user .. '","numResults":ITEMS}'
  return wrk.format("POST", wrk.path .. "/recommendations", headers, body)
end
"""


class Case(NamedTuple):
    """What is asked for, and over what."""

    tls: bool
    items: int

    @property
    def title(self) -> str:
        """Its heading in a table."""
        return f"{'TLS' if self.tls else 'plain'}, {self.items} items"


class Sample(NamedTuple):
    """What one client did in one round."""

    calls: int  # beyond those of the start
    wall_s: float  # the start included, as in `cpu_s`
    cpu_s: float
    peak_mib: float
    start_wall_s: float  # of a run that makes a few calls only
    start_cpu_s: float

    def per_s(self, start_wall_s: float) -> float:
        """Return the rate, given how long the start takes."""
        return self.calls / max(self.wall_s - start_wall_s, 1e-3)

    def cpu_us(self, start_cpu_s: float) -> float:
        """Return the processor time of a call, given that of the start."""
        return (self.cpu_s - start_cpu_s) / self.calls * 1e6


@dataclass(frozen=True)
class CallClient:
    """A program that is told how many calls to make."""

    name: str
    about: str
    run: Callable[[Case, int], Usage]

    def amount(self, case: Case, seconds: float) -> int:
        """Return the calls beyond the first few that take about so long, by trying."""
        few_s = self.run(case, FEW_CALLS).wall_s
        calls = PROBE_CALLS
        while (more_s := self.run(case, FEW_CALLS + calls).wall_s - few_s) < seconds / 4:
            if calls >= CALLS_MAX:
                break
            calls *= 4
        wanted = min(CALLS_MAX, max(PROBE_CALLS, calls * seconds / max(more_s, 1e-3)))
        return int(float(f"{wanted:.2g}"))  # two digits, so that rounds look alike

    def sample(self, case: Case, amount: int) -> Sample:
        """Run for a few calls and for many."""
        few, many = self.run(case, FEW_CALLS), self.run(case, FEW_CALLS + amount)
        return Sample(amount, many.wall_s, many.cpu_s, many.peak_mib, few.wall_s, few.cpu_s)


@dataclass(frozen=True)
class Wrk:
    """The limit: a load generator in C that signs nothing and reads no answer."""

    server: Server
    scratch: Path
    path: str
    name: str = "wrk"
    about: str = "one thread, unsigned, answers not read"

    def amount(self, case: Case, seconds: float) -> int:  # noqa: ARG002 - as the others
        """Return seconds: wrk makes as many calls as it can."""
        return max(1, round(seconds))

    def sample(self, case: Case, amount: int) -> Sample:
        """Run it for so many seconds."""
        script = self.scratch / "wrk.lua"
        script.write_text(_WRK_SCRIPT.replace("ARN", ARN).replace("ITEMS", str(case.items)))
        url = self.server.endpoint(tls=case.tls, items=case.items)
        load = ["-t1", f"-c{IN_FLIGHT}", f"-d{amount}s", "-s", str(script)]
        command = [self.path, *load, url]
        usage = measure(command, scratch=self.scratch, env=environment(), timeout_s=TIMEOUT_S)
        calls = re.search(r"(\d+) requests in", usage.output)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", usage.output)
        if calls is None or rate is None or "Non-2xx" in usage.output:
            raise BenchError(f"wrk says: {usage.output}", hint="run it alone to see why")
        count = int(calls[1])
        seconds = count / float(rate[1])  # its own, without the time to connect
        return Sample(count, seconds, usage.cpu_s, usage.peak_mib, 0.0, 0.0)


Client = CallClient | Wrk


def this_project(server: Server, scratch: Path, name: str, transport: str | None) -> CallClient:
    """Return the whole job through its command line."""

    def run(case: Case, calls: int) -> Usage:
        job = Job(
            endpoint=server.endpoint(tls=case.tls, items=case.items),
            certificate=server.certificate,
            items=case.items,
            rows=calls,
            in_flight=IN_FLIGHT,
            transport=transport,
        )
        with finished(job, scratch, timeout_s=TIMEOUT_S) as (usage, _):
            return usage

    about = "this project, " + (f"transport {transport}" if transport else "as it is by default")
    return CallClient(name, about, run)


def baseline(server: Server, scratch: Path, name: str, about: str, in_flight: int) -> CallClient:
    """Return a whole job of scripts/bench-client."""

    def run(case: Case, calls: int) -> Usage:
        output = scratch / "baseline.parquet"
        script = [str(VENV / "bin" / "python"), str(PROJECT / "scripts" / "bench-client"), name]
        files = [str(users_file(scratch, calls)), str(output)]
        options = ["--arn", ARN, "--in-flight", str(in_flight), "--num-results", str(case.items)]
        if case.tls:
            options += ["--ca", str(server.certificate)]
        usage = measure(
            [*script, *files, server.endpoint(tls=case.tls, items=case.items), *options],
            scratch=scratch,
            env=environment(),
            timeout_s=TIMEOUT_S,
        )
        check_results([output], rows=calls, items=case.items)
        output.unlink()
        return usage

    return CallClient(name, about, run)


def go_client(server: Server, scratch: Path, binary: Path) -> CallClient:
    """Return the calls alone, by the SDK for Go."""

    def run(case: Case, calls: int) -> Usage:
        address = server.endpoint(tls=case.tls, items=case.items)
        numbers = [str(calls), str(IN_FLIGHT), str(case.items)]
        return measure(
            [binary, address, ARN, *numbers, server.certificate],
            scratch=scratch,
            env=environment(),
            timeout_s=TIMEOUT_S,
        )

    return CallClient("go", "aws-sdk-go-v2, calls only, no Parquet, all cores", run)


def make_venv(folder: Path, packages: Sequence[str]) -> None:
    """Make the environment of other clients, unless it is there."""
    done = folder / "made-for.txt"
    wanted = f"{sys.version}\n{' '.join(packages)}\n"
    if done.exists() and done.read_text() == wanted:
        return
    print(f"installing {', '.join(packages)} into {folder.name} (once)", file=sys.stderr)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages]
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip):
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise BenchError(
                f"{folder.name} cannot be made: {made.stderr[-1000:]}",
                hint="it takes Python's venv (on Debian: apt install python3-venv) and a package "
                "index for pip; in mode speed, --only worker,wrk leaves the baselines out",
            )
    done.write_text(wanted)


def build_go(scratch: Path) -> tuple[Path | None, str]:
    """Return the Go baseline, or None and why there is none."""
    try:
        go = program("go", package="golang-go")
    except BenchError as error:
        return None, f"{error.what}; {error.hint}"
    binary = scratch / "bench-client-go"
    source = str(PROJECT / "scripts" / "bench-client.go")
    command = [go, "build", "-o", str(binary), source]
    env = environment(GO111MODULE="off", GOPATH=_GO_SOURCES)
    try:
        measure(command, scratch=scratch, env=env, timeout_s=TIMEOUT_S)
    except BenchError as error:
        return None, f"{error.what} on Debian: apt install golang-github-aws-aws-sdk-go-v2-dev"
    return binary, ""


def versions(binary: Path | None) -> Iterator[str]:
    """Yield name and version of each baseline that is installed."""
    python = VENV / "bin" / "python"
    if python.exists():
        code = "import importlib.metadata as m, json, sys\n"
        code += "print(json.dumps([f'{n} {m.version(n)}' for n in sys.argv[1:]]))"
        yield from json.loads(said_by(str(python), "-c", code, *BASELINES) or "[]")
    if binary is not None:
        yield said_by(str(binary), "version")
        yield said_by("go", "version").removeprefix("go version ")
