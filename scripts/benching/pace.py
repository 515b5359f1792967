"""Mode `pace`: how exactly a rate is kept, from what was written of when each call left."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benching.job import Job, finished
from benching.loadtest_command import load_tested
from benching.process import BenchError, Usage
from benching.server import Server

WINDOWS_S = (1.0, 0.1)
QUICK_S = 5.0
Microseconds = npt.NDArray[np.int64]


class Window(NamedTuple):
    """How many calls left in windows of one length, wherever they begin."""

    seconds: float
    fewest: int
    most: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--tps", type=float, default=2500.0, help="rate.tps (default: 2500)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the run (default: 60)")
    parser.add_argument("--transport", help="target.transport (default: the project's)")
    parser.add_argument("--loadtest", action="store_true", help="of a load test, not of a run")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Run one job at the rate, and look at when its calls left."""
    seconds = QUICK_S if options.quick else options.seconds
    if options.loadtest:
        return run_loadtest(options.tps, seconds, server, scratch)
    job = Job(
        endpoint=server.endpoint(tls=True, items=25),
        certificate=server.certificate,
        items=25,
        rows=rows_for(options.tps, seconds),
        tps=options.tps,
        transport=options.transport,
    )
    with finished(job, scratch, timeout_s=60 + 20 * seconds) as (usage, output):
        sent = sent_us(output)
    return judged(job.tps, sent, usage)


def run_loadtest(tps: float, seconds: float, server: Server, scratch: Path) -> dict[str, Any]:
    """Run a load test of one stage, and look at when its calls left."""
    rows_for(tps, seconds)
    section = {
        "stages": [{"tps": tps, "seconds": seconds}],
        "attempts_parquet": True,
        "late_share_max": 1.0,
    }
    usage, _, output = load_tested(
        section,
        scratch,
        endpoint=server.endpoint(tls=True, items=25),
        certificate=server.certificate,
        timeout_s=60 + 20 * seconds,
    )
    sent_at = pq.read_table(output / "attempts.parquet", columns=["sent_at"])["sent_at"]
    return judged(tps, np.sort(sent_at.cast(pa.int64()).to_numpy()), usage)


def judged(tps: float, sent: Microseconds, usage: Usage) -> dict[str, Any]:
    """Return how exactly the rate was kept."""
    return {
        "tps": tps,
        "calls": len(sent),
        "achieved_share": achieved_per_s(sent) / tps,
        "cpu_share_of_a_core": usage.cpu_s / usage.wall_s,
        "windows": [windows(sent, length_s)._asdict() for length_s in WINDOWS_S],
    }


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    achieved = f"{found['achieved_share']:.2%} of it achieved over {found['calls']:,} calls"
    cores = f"{found['cpu_share_of_a_core']:.0%} of a core"
    lines = [
        f"{found['tps']:,g}/s asked for, {achieved}, with {cores}",
        "",
        "| window, at any time | asked for | most | fewest |",
        "|---|--:|--:|--:|",
    ]
    for window in found["windows"]:
        wanted = found["tps"] * window["seconds"]
        lines.append(
            f"| {window['seconds'] * 1e3:,.0f} ms | {wanted:,g} "
            f"| {window['most']:,} ({window['most'] / wanted:.1%}) "
            f"| {window['fewest']:,} ({window['fewest'] / wanted:.1%}) |"
        )
    return "\n".join(lines)


def rows_for(tps: float, seconds: float) -> int:
    """Return how many calls there are in so many seconds at a rate; enough for every window."""
    if seconds < 2 * max(WINDOWS_S) or tps * seconds < 10:
        raise BenchError(
            f"{tps:g}/s for {seconds:g} s is too little to judge",
            hint=f"at least {2 * max(WINDOWS_S):g} s and ten calls",
        )
    return round(tps * seconds)


def sent_us(output: Path) -> Microseconds:
    """Return when each call left, sorted, in microseconds."""
    files = sorted(output.glob("part-*.parquet"))
    parts = [pq.read_table(file, columns=["requested_at"])["requested_at"] for file in files]
    times = [part.cast(pa.int64()).to_numpy() for part in parts]
    return np.sort(np.concatenate(times))


def achieved_per_s(sent: Microseconds) -> float:
    """Return the rate from the first call to the last."""
    return float((len(sent) - 1) / (sent[-1] - sent[0]) * 1e6)


def windows(sent: Microseconds, seconds: float) -> Window:
    """Return the fewest and the most calls of all windows [begin, begin + seconds) of the run.

    Exact: times are whole microseconds, and a count only changes where a call enters or leaves.
    The most are found in windows that begin with a call, the fewest in windows that begin a
    microsecond after one (or with the first). Windows that reach beyond the last call do not count
    as those with the fewest.
    """
    length = round(seconds * 1e6)
    position = np.arange(len(sent))
    most = np.searchsorted(sent, sent + length, side="left") - position
    inside = sent + length < sent[-1]
    if not inside.any():
        raise BenchError(
            f"the calls left within {(sent[-1] - sent[0]) / 1e6:.2f} s, less than a window",
            hint="ask for more --seconds",
        )
    after = np.searchsorted(sent, sent + length, side="right") - position - 1
    fewest = min(int(after[inside].min()), int(most[0]))
    return Window(seconds=seconds, fewest=fewest, most=int(most.max()))
