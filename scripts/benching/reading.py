"""Mode `reading`: the last chunk of a row group beside the first, and its memory. No server."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benching.process import environment, measure

CHUNKS = 120
ROWS = 2_000  # of a chunk
WIDE_BYTES = 800  # of a value: the column has 183 MiB in one row group
WAYS = ("requests", "failed rows", "forecast", "Arrow alone")
SLOWER_MAX = 1.5  # the last chunks beside the first
MORE_MIB_MAX = 64.0  # than a row group of a hundredth of the rows takes
_TIMES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options: none of its own."""


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Read a row group chunk by chunk, as a job does for requests, failed rows and its forecast."""
    rows = ROWS // 4 if options.quick else ROWS
    large, small = _input(scratch / "large.parquet", CHUNKS * rows), scratch / "small.parquet"
    _input(small, CHUNKS * rows // 100)
    found: dict[str, Any] = {}
    for way in WAYS:
        ratios, more_mib, total_s = list[float](), list[float](), 0.0
        for _ in range(1 if options.quick else _TIMES):
            (first_s, last_s, total_s), peak_mib = _read(large, rows, way, scratch)
            ratios.append(last_s / first_s)
            more_mib.append(peak_mib - _read(small, rows, way, scratch)[1])
        found[way] = {
            "last_to_first": round(median(ratios), 2),
            "more_mib": round(median(more_mib), 1),
            "seconds": round(total_s, 2),
        }
    return {"mib": round(CHUNKS * rows * WIDE_BYTES / 2**20), "ways": found}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = [
        f"| {found['mib']} MiB in {CHUNKS} chunks | last chunk / first | MiB more | s |",
        "|---|--:|--:|--:|",
    ]
    for way, each in found["ways"].items():
        good = each["last_to_first"] <= SLOWER_MAX and each["more_mib"] <= MORE_MIB_MAX
        note = "" if good or way == "Arrow alone" else " (BEYOND the limit)"
        lines.append(
            f"| {way}{note} | {each['last_to_first']} | {each['more_mib']} | {each['seconds']} |"
        )
    return "\n".join(lines)


def _input(path: Path, rows: int) -> Path:
    table = pa.table(
        {
            "USER_ID": [f"user-{row:08d}" for row in range(rows)],
            "WIDE": [f"{row:0{WIDE_BYTES}d}" for row in range(rows)],
        }
    )
    pq.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    return path


def _read(path: Path, rows: int, way: str, scratch: Path) -> tuple[list[float], float]:
    program = Path(__file__).with_name("reads_chunks.py")
    command: list[str | Path] = [sys.executable, program, path, str(rows), way]
    usage = measure(command, scratch=scratch, env=environment(), timeout_s=600)
    return json.loads(usage.output.strip().splitlines()[-1]), usage.peak_mib
