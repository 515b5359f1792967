"""Mode `truth`: whether reported latencies are those that users would meet.

The emulator draws latencies from a known distribution and stands still for a second in every ten.
It records when each answer is due, from the request's arrival. `loadtest` has to report that.
Beside it hey (Debian: hey), a closed loop with as many connections as that rate takes: while the
service stands still it asks for nothing, and so it misses most of what users would meet.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import subprocess
from pathlib import Path
from typing import Any

from hdrh.histogram import HdrHistogram

from benching.loadtest_command import EMULATED_ARN, asked, emulator, load_tested
from benching.process import BenchError, environment, program, said_by

WEATHER = {"latency_ms_p50": 100, "latency_ms_p99": 300, "stall": {"every_s": 10, "for_s": 1}}
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
OFF_SHARE_MAX = 0.03
QUICK_S = 11.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--tps", type=float, default=150.0, help="of the test (default: 150)")
    parser.add_argument("--seconds", type=float, default=120.0, help="of it (default: 120)")
    parser.add_argument("--hey", help="where hey is (default: on PATH)")


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Run both, one after the other, in the same weather."""
    seconds = QUICK_S if options.quick else options.seconds
    hey = options.hey or program("hey", package="hey")
    with emulator({"weather": WEATHER}, scratch) as address:
        asked(address, "PUT", "/emulator/weather", json.dumps(WEATHER).encode())
        stage = {"tps": options.tps, "seconds": seconds}
        section = {"stages": [stage], "in_flight_max": 5000}
        _, result, _ = load_tested(
            section, scratch, endpoint=address, arn=EMULATED_ARN, timeout_s=60 + 2 * seconds
        )
        due = asked(address, "GET", "/emulator/stats?seconds=0")["due_ms"]
        mean_s = _mean_s(due, options.tps)
        asked(address, "PUT", "/emulator/weather", json.dumps(WEATHER).encode())
        seen_ms = closed_loop(hey, address, connections=round(options.tps * mean_s), s=seconds)
    from_due = HdrHistogram.decode(result["total"]["hdr_us"]["from_due"])
    return {
        "tps": options.tps,
        "calls": {"loadtest": result["total"]["calls"], "hey": len(seen_ms)},
        "due_ms": {name: due[name] for name in QUANTILES},
        "loadtest_ms": {
            name: from_due.get_value_at_percentile(share * 100) / 1e3
            for name, share in QUANTILES.items()
        },
        "hey_ms": {name: nearest_rank(seen_ms, share) for name, share in QUANTILES.items()},
        "loadtest_says_of_itself": result["verdict"],
        "hey": said_by("dpkg-query", "-W", "hey") or hey,
    }


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    calls = found["calls"]
    lines = [
        f"{found['tps']:g}/s; calls: {calls['loadtest']:,} of loadtest, {calls['hey']:,} of hey",
        "",
        "| ms | p50 | p90 | p95 | p99 | p99.9 |",
        "|---|--:|--:|--:|--:|--:|",
        _row("due, says the emulator", found["due_ms"]),
    ]
    for name in ("loadtest", "hey"):
        shares = {at: found[f"{name}_ms"][at] / found["due_ms"][at] - 1 for at in QUANTILES}
        lines.append(_row(name, found[f"{name}_ms"]))
        lines.append(
            f"| {name}, off by | " + " | ".join(f"{s:+.1%}" for s in shares.values()) + " |"
        )
    off = max(abs(found["loadtest_ms"][at] / found["due_ms"][at] - 1) for at in QUANTILES)
    verdict = "within" if off <= OFF_SHARE_MAX else "NOT within"
    lines += ["", f"loadtest is {verdict} {OFF_SHARE_MAX:.0%}"]
    if reasons := found["loadtest_says_of_itself"]["reasons"]:
        lines.append(f"Measure again with less else going on: {'; '.join(reasons)}")
    return "\n".join(lines)


def closed_loop(hey: str, address: str, *, connections: int, s: float) -> list[float]:
    """Return the latencies that hey saw, in ms, sorted."""
    body = json.dumps({"campaignArn": EMULATED_ARN, "userId": "u0001"})
    load = ["-z", f"{s:g}s", "-c", str(connections), "-o", "csv"]
    what = ["-m", "POST", "-T", "application/json", "-d", body, f"{address}/recommendations"]
    done = subprocess.run(
        [hey, *load, *what],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60 + 2 * s,
    )
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    if done.returncode != 0 or not rows or any(row["status-code"] != "200" for row in rows):
        raise BenchError(f"hey says: {done.stderr[-500:]}", hint="run it alone to see why")
    return sorted(float(row["response-time"]) * 1e3 for row in rows)


def nearest_rank(ordered: list[float], share: float) -> float:
    """Return a quantile of sorted values."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _mean_s(due: dict[str, float], tps: float) -> float:
    """Return about how long a call takes when the service does not stand still, one at least."""
    return max(due["p50"] * 1.1 / 1e3, 1 / tps)


def _row(name: str, values: dict[str, float]) -> str:
    return f"| {name} | " + " | ".join(f"{values[at]:,.0f}" for at in QUANTILES) + " |"
