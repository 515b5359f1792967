"""Mode `against`: this checkout beside another of this project, pair by pair: what a change costs.

The two take turns, and the first turn is now the one's, now the other's: a machine's own speed
changes while it measures, and the ratio of a pair says more than two figures. The other checkout
has a .venv of its own: `git worktree add ../before COMMIT`, then its scripts/install.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benching.job import Job, finished
from benching.process import THIS, BenchError, Checkout
from benching.server import Server
from benching.start import arrivals, first_request_s, wall_s

PAIRS = 10
SHORT_PAIRS = 40  # of what takes less than a second
CALLS = 150_000
QUICK_SHARE = 0.1
ITEMS = 25
_TIMEOUT_S = 600.0


class Measure(NamedTuple):
    """What is measured of a checkout."""

    name: str
    pairs: int
    take: Callable[[Checkout], tuple[float, ...]]
    units: tuple[str, ...]  # of the figures that `take` returns; less is better


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("other", type=Path, help="the folder of the other checkout")
    parser.add_argument("--pairs", type=int, default=PAIRS, help=f"of jobs (default: {PAIRS})")
    parser.add_argument(
        "--calls", type=int, default=CALLS, help=f"of each job (default: {CALLS:,})"
    )


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Measure both in turns; return every pair."""
    other = _checkout(options.other)
    share = QUICK_SHARE if options.quick else 1.0
    pairs, short = max(1, round(options.pairs * share)), round(SHORT_PAIRS * share)
    rows = max(1, round(options.calls * share))
    found = []
    with arrivals() as (endpoint, arrived):
        short_job = Job(endpoint=endpoint, certificate=server.certificate, items=1, rows=1)
        measures = [
            Measure("--help", short, lambda each: (_help_ms(each, scratch),), ("ms",)),
            Measure(
                "first request",
                short,
                lambda each: (1e3 * first_request_s(short_job, arrived, scratch, checkout=each),),
                ("ms",),
            ),
            Measure(
                f"job of {rows:,} calls",
                pairs,
                lambda each: _job(each, server, scratch, rows),
                ("s", "CPU s", "peak MiB"),
            ),
        ]
        for each in measures:
            found += _pairs(each, other)
    return {"other": str(other.folder), "found": found}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = ["| measure | other | this | other / this | of pairs |", "|---|--:|--:|--:|--:|"]
    for row in found["found"]:
        ratios = sorted(other / this for this, other in row["pairs"])
        this, other = (median(each) for each in zip(*row["pairs"], strict=True))
        lines.append(
            f"| {row['name']} | {other:,.1f} | {this:,.1f} | {median(ratios):.3f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f}) | {len(ratios)} |"
        )
    return "\n".join([*lines, "", "Medians; above 1, this checkout takes less."])


def _checkout(folder: Path) -> Checkout:
    python = folder.resolve() / ".venv" / "bin" / "python"
    if not python.exists():
        raise BenchError(f"{folder} has no .venv", hint=f"run {folder}/scripts/install")
    return Checkout(folder.resolve(), python)


def _pairs(wanted: Measure, other: Checkout) -> list[dict[str, Any]]:
    """Return the pairs (this, other) of each figure; the first turns do not count."""
    taken = []
    for number in range(wanted.pairs + 1):
        order = [THIS, other] if number % 2 else [other, THIS]
        figures = {each.folder: wanted.take(each) for each in order}
        if number:
            taken.append((figures[THIS.folder], figures[other.folder]))
    print(f"{wanted.name}: {len(taken)} pairs", file=sys.stderr)
    return [
        {
            "name": f"{wanted.name}, {unit}",
            "pairs": [(this[place], others[place]) for this, others in taken],
        }
        for place, unit in enumerate(wanted.units)
    ]


def _help_ms(checkout: Checkout, scratch: Path) -> float:
    return 1e3 * wall_s(["-m", "worker", "--help"], scratch, checkout=checkout)


def _job(
    checkout: Checkout, server: Server, scratch: Path, rows: int
) -> tuple[float, float, float]:
    job = Job(
        endpoint=server.endpoint(tls=True, items=ITEMS),
        certificate=server.certificate,
        items=ITEMS,
        rows=rows,
    )
    with finished(job, scratch, timeout_s=_TIMEOUT_S, checkout=checkout) as (usage, _):
        return usage.wall_s, usage.cpu_s, usage.peak_mib
