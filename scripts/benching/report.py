"""Mode `report`: how long the report of a large run takes, and how large it is. No server."""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benching.process import ARN, environment, measure
from worker.codec.columns import results_schema
from worker.config.model import Config
from worker.output.books import BOOKS_KEY, Books
from worker.personalize.answer_shape import ITEM_TYPE, SHAPES
from worker.personalize.operations import Operation

ROWS = 10_000_000
QUICK_ROWS = 200_000
PART_ROWS = 100_000
LIMITS = {"seconds": 30.0, "bytes": 2_000_000}
_CATALOGUE = 50_000
_CALLS_PER_S = 2500
_FALLBACK_SHARE = 0.02
_BEGUN_US = 1_732_240_000_000_000
_GROUP_BYTES = 16 << 20  # as the job writes them, in memory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--rows", type=int, help=f"rows of the run (default: {ROWS:,})")
    parser.add_argument("--items", type=int, default=10, help="items per row (default: 10)")
    parser.add_argument("--keep", type=Path, help="where to leave the run and its report")


def run(options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    """Make up a run, then build its report with the real command."""
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    output = options.keep or scratch / "output"
    make_run(output, rows=rows, items=options.items)
    command = [sys.executable, "-m", "worker", "report", output]
    usage = measure(command, scratch=scratch, env=environment(), timeout_s=600)
    size = (output / "_report.html").stat().st_size
    return {
        "rows": rows,
        "items": options.items,
        "seconds": round(usage.wall_s, 2),
        "cpu_s": round(usage.cpu_s, 2),
        "peak_mib": round(usage.peak_mib),
        "bytes": size,
    }


def show(found: dict[str, Any]) -> str:
    """Return what was found, as text."""
    verdicts = [
        f"{name} {found[name]:,} ({'within' if found[name] < limit else 'BEYOND'} {limit:,})"
        for name, limit in LIMITS.items()
    ]
    what = f"{found['rows']:,} rows of {found['items']} items"
    return f"{what}: {', '.join(verdicts)}, CPU {found['cpu_s']} s, peak {found['peak_mib']} MiB"


def make_run(output: Path, *, rows: int, items: int) -> None:
    """Write a finished run's files but for `_SUCCESS`, without a call."""
    output.mkdir(parents=True, exist_ok=True)
    parts = -(-rows // PART_ROWS)
    values = {
        "target": {"operation": "GetRecommendations", "campaign_arn": ARN},
        "request": {"num_results": items},
        "input": {"path": "users.parquet", "columns": {"user_id": "USER_ID"}},
        "output": {"path": str(output)},
        "rate": {"tps": _CALLS_PER_S},
    }
    config = Config.model_validate(values).model_dump(mode="json", exclude_none=True)
    about = {
        "version": "0",
        "run_id": "0",
        "identity": {},
        "config": config,
        "input": {"rows": rows, "fingerprint": ""},
        "plan": {"parts": parts},
        "created_at": "2026-11-22T03:00:00+00:00",
    }
    (output / "_run.json").write_bytes(orjson.dumps(about))
    with ProcessPoolExecutor() as pool:
        todo = (pool.submit(_write_part, output, n, rows, items) for n in range(parts))
        for written in [*todo]:
            written.result()


def _write_part(output: Path, number: int, rows_of_run: int, items: int) -> None:
    first = number * PART_ROWS
    rows = min(PART_ROWS, rows_of_run - first)
    table, latency_ms = _table(np.random.default_rng(number), first, rows, items)
    books = Books(rows_read=rows, results=rows, calls=rows, seconds=rows / _CALLS_PER_S)
    books.enter_latencies(latency_ms)
    table = table.replace_schema_metadata({BOOKS_KEY: books.dump().decode()})
    pq.write_table(
        table,
        output / f"part-{number:05d}.parquet",
        compression="zstd",
        row_group_size=max(1, rows * _GROUP_BYTES // table.nbytes),
        use_dictionary=["items.list.element.item_id"],  # type: ignore[arg-type] # the stubs forget
    )


def _table(
    rng: np.random.Generator, first: int, rows: int, items: int
) -> tuple[pa.Table, list[float]]:
    """Return made-up results: skewed items, some rows with the same popular ones."""
    chosen = (_CATALOGUE * rng.random((rows, items)) ** 3).astype(np.int32)
    chosen[rng.random(rows) < _FALLBACK_SHARE] = np.arange(items)
    catalogue = pa.array([f"item-{number:06d}" for number in range(_CATALOGUE)])
    count, indices = rows * items, pa.array(chosen.ravel(), pa.int32())
    members: list[pa.Array[Any]] = [
        catalogue.take(indices),
        pa.array(rng.random(count) ** 6),
        *(pa.nulls(count, field.type) for field in list(ITEM_TYPE)[2:]),
    ]
    structs = pa.StructArray.from_arrays(members, fields=list(ITEM_TYPE))
    offsets: Any = pa.array(np.arange(0, count + 1, items, dtype=np.int32))
    numbers = np.arange(first, first + rows)
    ids = pa.array([f"{number:032x}" for number in numbers])
    latency_ms = rng.lognormal(3.5, 0.5, rows)
    sent_us = _BEGUN_US + numbers * 1_000_000 // _CALLS_PER_S
    shape = SHAPES[Operation.GET_RECOMMENDATIONS]
    schema = results_schema(pa.schema([("USER_ID", pa.string())]), shape, "nested")
    columns = [
        pa.array(numbers).cast(pa.string()),
        ids,
        pa.ListArray.from_arrays(offsets, structs),
        pa.array(sent_us).cast(pa.timestamp("us", "UTC")),
        pa.array(latency_ms.astype(np.float32)),
        pa.array(1 + (rng.random(rows) < 0.001), pa.int8()),
        ids,
    ]
    return pa.Table.from_arrays(columns, schema=schema), latency_ms.tolist()
