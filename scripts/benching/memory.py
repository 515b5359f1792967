"""Mode `memory`: peak memory of whole jobs, and of jobs a tenth as long: flat, or not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from benching.job import Job, finished
from benching.server import Server

SIZES = ((25, 2_000_000), (500, 200_000))  # items, rows
QUICK_SHARE = 0.01
FLAT = 1.1  # times the memory for ten times the rows, at most
_ROWS_PER_S_MIN = 20  # slower than that is no measurement


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--transport", help="target.transport (default: the project's)")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Run each job and its tenth."""
    share = QUICK_SHARE if options.quick else 1.0
    rows = []
    for items, most in SIZES:
        full = round(most * share)
        peaks = {n: _peak_mib(options, server, scratch, items, n) for n in (full // 10, full)}
        rows.append({"items": items, "peak_mib": peaks, "ratio": peaks[full] / peaks[full // 10]})
    return {"transport": options.transport, "jobs": rows}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = ["| items | rows | peak MiB | to a tenth |", "|--:|--:|--:|---|"]
    for job in found["jobs"]:
        (few, small), (many, large) = job["peak_mib"].items()
        verdict = "flat" if job["ratio"] <= FLAT else "not flat"
        lines.append(f"| {job['items']} | {few:,} | {small:,.0f} | |")
        lines.append(
            f"| {job['items']} | {many:,} | {large:,.0f} | {job['ratio']:.2f}x, {verdict} |"
        )
    return "\n".join(lines)


def _peak_mib(
    options: argparse.Namespace, server: Server, scratch: Path, items: int, rows: int
) -> float:
    job = Job(
        endpoint=server.endpoint(tls=True, items=items),
        certificate=server.certificate,
        items=items,
        rows=rows,
        transport=options.transport,
    )
    with finished(job, scratch, timeout_s=60 + rows / _ROWS_PER_S_MIN) as (usage, _):
        took = f"{usage.wall_s:,.0f} s, {usage.peak_mib:,.0f} MiB"
        print(f"{rows:,} rows of {items} items: {took}", file=sys.stderr)
        return usage.peak_mib
