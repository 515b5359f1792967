"""What a run came to: the books of its parts, added up. `_SUCCESS` and the last lines on stdout."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pyarrow.parquet as pq

from worker import __version__
from worker.model import Chunk
from worker.output.books import Books, read_books
from worker.store.base import Store
from worker.telemetry.cost import cost_usd

_BLOCK_BYTES = 1 << 18  # of a part, read at once
QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def add_up(store: Store, chunks: Sequence[Chunk]) -> Books:
    """Return the books of committed chunks together."""
    total = Books()
    for chunk in chunks:
        total.add(read_books(store, chunk.part_name))
    return total


def summarize(
    store: Store,
    chunks: Sequence[Chunk],
    *,
    run_id: str,
    per_1000_usd: float | None,
    error_share_max: float,
) -> dict[str, Any]:
    """Return the content of `_SUCCESS` for a run all of whose chunks are committed."""
    books = add_up(store, chunks)
    names = [chunk.part_name for chunk in chunks]
    names += [chunk.errors_name for chunk in chunks if store.exists(chunk.errors_name)]
    return {
        "version": __version__,
        "run_id": run_id,
        "rows_read": books.rows_read,
        "results": books.results,
        "rows_failed": books.errors.total(),
        "errors": dict(books.errors.most_common()),
        "duplicates": books.duplicates,
        "error_share": error_share(books),
        "within_tolerance": error_share(books) <= error_share_max,
        "calls": books.calls,
        "retries": books.retries,
        "throttles": books.throttles,
        "seconds": round(books.seconds, 3),
        "latency_ms": latency_ms(books),
        "cost_usd_estimate": cost_usd(books.calls, per_1000_usd),
        "parts": [_part(store, name) for name in names],
    }


def error_share(books: Books) -> float:
    """Return failed rows as a share of all; 0 for no rows."""
    return books.errors.total() / books.rows_read if books.rows_read else 0.0


def latency_ms(books: Books) -> dict[str, float]:
    """Return latency quantiles of successful attempts; none without any."""
    if not books.latency.get_total_count():
        return {}
    return {
        name: round(books.latency.get_value_at_percentile(percentile) / 1e3, 3)
        for name, percentile in QUANTILES.items()
    }


def _part(store: Store, name: str) -> dict[str, Any]:
    digest = hashlib.sha256()
    with store.open_read(name) as file:
        rows = pq.read_metadata(file).num_rows
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
        size = file.tell()
    return {
        "name": name,
        "rows": rows,
        "bytes": size,
        "sha256": digest.hexdigest(),
    }
