"""What a run came to: the books of its parts, added up. `_SUCCESS` and the last lines on stdout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

from worker import __version__
from worker.model import Chunk
from worker.output.books import Books, read_books
from worker.runtime.records import OPTIONAL
from worker.store.base import Store
from worker.telemetry.cost import cost_usd

_BLOCK_BYTES = 1 << 18  # of a part, read at once
QUANTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFile:
    """A committed file of results or of failed rows."""

    name: str  # below the output folder
    rows: int
    bytes: int
    sha256: str  # 64 hex digits, over the whole file


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityNumbers:
    """What the results are like. Shares are of rows with a result, 0 to 1; 0 without any.

    None is a number that cannot be determined: the short lists when the output does not say what
    was asked for; the fallback when all lists are too short to judge; and the overlap without a
    run to compare with.
    """

    empty_rows: int  # without an item
    empty_share: float
    short_rows: int | None  # with fewer items than were asked for, the empty ones too
    short_share: float | None
    fallback_rows: int | None  # with a list that many users share
    fallback_share: float | None
    shared_lists: int  # different ones
    distinct_items: int
    top_10_share: float  # of all recommendations, those of the 10 most frequent items
    top_100_share: float
    gini: float | None  # 0: all items equally often; None: no items
    overlap_with_previous: float | None  # mean share of the first 10 items


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """A gate of [quality], and what the results were."""

    gate: str  # its key in the config
    limit: int | float
    seen: int | float | None  # None: could not be determined
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityResult(QualityNumbers):
    """What the results are like, and whether that is good enough."""

    gates: tuple[GateResult, ...]
    config: Mapping[str, Any]  # the section [quality] that they were held against


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A finished run: the content of `_SUCCESS`, or of `_QUALITY_FAILED`.

    For each row that was read there is a result, or a failed row.
    """

    version: str  # of the program that finished it
    run_id: str  # 16 hex digits
    rows_read: int
    results: int
    rows_failed: int
    errors: Mapping[str, int]  # failed rows by code, the most frequent first
    duplicates: int  # rows, of all these, that an identical request answered
    error_share: float  # failed rows, of all: 0 to 1
    within_tolerance: bool  # whether that is at most stop.error_share_max
    calls: int  # HTTP attempts
    retries: int  # of these
    throttles: int  # of these
    seconds: float  # of running time
    latency_ms: Mapping[str, float]  # of successful attempts, by the names in QUANTILES
    cost_usd_estimate: float | None  # None: no price is known
    parts: tuple[PartFile, ...]
    # None: it could not be measured.
    quality: QualityResult | None = field(default=None, metadata=OPTIONAL)

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """The gates of [quality] that were set."""
        return self.quality.gates if self.quality else ()

    @property
    def broken_gates(self) -> list[GateResult]:
        """The gates that did not pass."""
        return [gate for gate in self.gates if not gate.passed]


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
) -> Summary:
    """Return the content of `_SUCCESS` for a run all of whose chunks are committed."""
    books = add_up(store, chunks)
    names = [chunk.part_name for chunk in chunks]
    names += [chunk.errors_name for chunk in chunks if store.exists(chunk.errors_name)]
    return Summary(
        version=__version__,
        run_id=run_id,
        rows_read=books.rows_read,
        results=books.results,
        rows_failed=books.errors.total(),
        errors=dict(books.errors.most_common()),
        duplicates=books.duplicates,
        error_share=error_share(books),
        within_tolerance=error_share(books) <= error_share_max,
        calls=books.calls,
        retries=books.retries,
        throttles=books.throttles,
        seconds=round(books.seconds, 3),
        latency_ms=latency_ms(books),
        cost_usd_estimate=cost_usd(books.calls, per_1000_usd),
        parts=tuple(_part(store, name) for name in names),
    )


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


def _part(store: Store, name: str) -> PartFile:
    digest = hashlib.sha256()
    with store.open_read(name) as file:
        rows = pq.read_metadata(file).num_rows
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
        size = file.tell()
    return PartFile(name=name, rows=rows, bytes=size, sha256=digest.hexdigest())
