"""What a part says of itself, kept in its Parquet footer: the run's books, without a database.

The format, 2: JSON under the key `personalize_worker` of the footer's metadata. `format`, absent
in 1; `digest`, 32 hex digits over the requests and the copied columns of the part's rows, failed
ones too, in order (worker.codec.digests), absent in 1; the counts of Books; `latency_us_hdr`. A
part without a key `rows` holds all of its Chunk's selected rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from hdrh.histogram import HdrHistogram

from worker.errors import ConflictError
from worker.model import Failure, Outcome
from worker.runtime.histogram import acyclic, decoded
from worker.store.base import Store

BOOKS_KEY = "personalize_worker"
BOOKS_FORMAT = 2

# Microseconds up to 10 minutes, 2 significant digits: quantiles are within 1 %.
_LATENCY_US_MAX = 600_000_000
_LATENCY_DIGITS = 2
# A double's sign, exponent and first 7 bits: numbers alike in these share a bar of the histogram.
_LATENCY_BITS = -1 << (52 - 7)


def new_histogram() -> HdrHistogram:
    """Return an empty latency histogram; all of them can be merged."""
    return acyclic(HdrHistogram(1, _LATENCY_US_MAX, _LATENCY_DIGITS))


@dataclass(slots=True)
class Books:
    """Counts over rows that are done: of a part, or, added up, of a run."""

    rows_read: int = 0
    results: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # rows by code
    duplicates: int = 0  # rows, of all these, that an identical request was answered for
    calls: int = 0  # HTTP attempts
    retries: int = 0
    throttles: int = 0
    seconds: float = 0.0  # of running time, since the part before
    latency: HdrHistogram = field(default_factory=new_histogram)  # successful attempts, us
    digest: str | None = None  # of a part's rows; None: written before there was one

    def enter(self, outcomes: Sequence[Outcome]) -> None:
        """Add the attempts of rows that are done; results and errors are counted by the writer."""
        calls = sum(outcome.attempts for outcome in outcomes)
        self.rows_read += len(outcomes)
        self.calls += calls
        self.retries += calls - sum(outcome.attempts > 0 for outcome in outcomes)
        self.throttles += sum(outcome.throttles for outcome in outcomes)
        self.enter_latencies(
            [
                outcome.latency_ms
                for outcome in outcomes
                if outcome.attempts and not isinstance(outcome.result, Failure)
            ]
        )

    def enter_latencies(self, latencies_ms: list[float]) -> None:
        """Record many at once, of successful attempts: the histogram is slow per value."""
        exact = pc.round(pc.multiply(pa.array(latencies_ms, pa.float64()), 1e3))
        least, most = pa.scalar(1.0), pa.scalar(float(_LATENCY_US_MAX))
        bounded: Any = pc.min_element_wise(pc.max_element_wise(exact, least), most)
        coarse = pc.bit_wise_and(bounded.view(pa.int64()), _LATENCY_BITS).view(pa.float64())
        values, counts = pc.value_counts(coarse).flatten()
        for value, count in zip(values.to_pylist(), counts.to_pylist(), strict=True):
            self.latency.record_value(int(value), count)

    def add(self, other: Books) -> None:
        """Add another part's counts."""
        self.rows_read += other.rows_read
        self.results += other.results
        self.errors += other.errors
        self.duplicates += other.duplicates
        self.calls += other.calls
        self.retries += other.retries
        self.throttles += other.throttles
        self.seconds += other.seconds
        self.latency.add(other.latency)

    def check(self) -> None:
        """Raise RuntimeError when a row is missing or counted twice: a bug of this program."""
        if self.rows_read != self.results + self.errors.total():
            raise RuntimeError(
                f"{self.rows_read} rows read, but {self.results} results and {dict(self.errors)}"
            )

    def dump(self) -> bytes:
        """Return the JSON for a footer."""
        return orjson.dumps(
            {
                "format": BOOKS_FORMAT,
                "digest": self.digest,
                "rows_read": self.rows_read,
                "results": self.results,
                "errors": self.errors,
                "duplicates": self.duplicates,
                "calls": self.calls,
                "retries": self.retries,
                "throttles": self.throttles,
                "seconds": self.seconds,
                "latency_us_hdr": self.latency.encode().decode(),
            }
        )

    @classmethod
    def load(cls, text: bytes) -> Books:
        """Return what `dump` wrote, here or in an older version; raise ValueError or KeyError else.

        A newer version's is not understood.
        """
        values = orjson.loads(text)
        if (number := values.get("format", 1)) > BOOKS_FORMAT:
            raise ValueError(f"its books have format {number}, this version reads {BOOKS_FORMAT}")
        latency = new_histogram()
        latency.add(decoded(values["latency_us_hdr"].encode()))
        return cls(
            rows_read=int(values["rows_read"]),
            results=int(values["results"]),
            errors=Counter({str(code): int(rows) for code, rows in values["errors"].items()}),
            duplicates=int(values["duplicates"]),
            calls=int(values["calls"]),
            retries=int(values["retries"]),
            throttles=int(values["throttles"]),
            seconds=float(values["seconds"]),
            latency=latency,
            digest=values.get("digest"),
        )


def read_books(store: Store, name: str) -> Books:
    """Return the books in a committed part's footer.

    Raises ConflictError when the file is not a part that this program wrote.
    """
    try:
        with store.open_read(name) as file:
            metadata = pq.read_metadata(file).metadata or {}
        return Books.load(metadata[BOOKS_KEY.encode()])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConflictError(
            f"{store.shown(name)} is not a part of this program's: {error}",
            hint="move it away and run again; the rows of that part are then computed anew",
        ) from None
