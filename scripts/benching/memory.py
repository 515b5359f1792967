"""Mode `memory`: peak memory of whole jobs, and of shorter and longer ones: flat, or not.

Answers of 3 MB, of which many are on their way at the same time, are kept with their metadata; as
gzip they come in a thousandth of that.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benching.job import Job, finished
from benching.server import LARGE_ITEMS, LARGE_PLACES, Server

SIZES = ((25, 2_000_000), (500, 200_000))  # items, rows
LARGE_ROWS = 1_000  # 3 GB of answers
QUICK_SHARE = 0.01
FLAT = 1.1  # times the memory for ten times the rows, at most
_ROWS_PER_S_MIN = 20  # slower than that is no measurement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--transport", help="target.transport (default: the project's)")
    parser.add_argument(
        "--tenfold", action="store_true", help="jobs of ten times the rows, too: half an hour"
    )


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Run each job, its tenth, and its tenfold if that is asked for."""
    share = QUICK_SHARE if options.quick else 1.0
    rows = []
    for items, most in SIZES:
        full = round(most * share)
        lengths = [full // 10, full, *([10 * full] if options.tenfold else [])]
        peaks = {n: _peak_mib(options, server, scratch, items, n) for n in lengths}
        rows.append({"items": items, "peak_mib": peaks})
    full = max(10, round(LARGE_ROWS * share))
    for name in LARGE_PLACES:
        peaks = {
            n: _peak_mib(options, server, scratch, LARGE_ITEMS, n, name) for n in (full // 10, full)
        }
        rows.append({"items": f"{LARGE_ITEMS} ({name})", "peak_mib": peaks})
    return {"transport": options.transport, "jobs": rows}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = ["| items | rows | peak MiB | to a tenth |", "|--:|--:|--:|---|"]
    for job in found["jobs"]:
        tenth_mib = None
        for rows, peak_mib in job["peak_mib"].items():
            lines.append(
                f"| {job['items']} | {rows:,} | {peak_mib:,.0f} | {_verdict(peak_mib, tenth_mib)} |"
            )
            tenth_mib = peak_mib
    return "\n".join(lines)


def _verdict(peak_mib: float, tenth_mib: float | None) -> str:
    if tenth_mib is None:
        return ""
    ratio = peak_mib / tenth_mib
    return f"{ratio:.2f}x, {'flat' if ratio <= FLAT else 'not flat'}"


def _peak_mib(
    options: argparse.Namespace,
    server: Server,
    scratch: Path,
    items: int,
    rows: int,
    large: str | None = None,
) -> float:
    job = Job(
        endpoint=server.large_endpoint(large) if large else server.endpoint(tls=True, items=items),
        certificate=server.certificate,
        items=items,
        rows=rows,
        transport=options.transport,
    )
    with finished(job, scratch, timeout_s=60 + rows / _ROWS_PER_S_MIN) as (usage, _):
        took = f"{usage.wall_s:,.0f} s, {usage.peak_mib:,.0f} MiB"
        print(f"{rows:,} rows of {items} items: {took}", file=sys.stderr)
        return usage.peak_mib
