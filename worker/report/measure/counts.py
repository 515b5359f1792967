"""What the lists hold: which entries how often, how long the lists are, which scores. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from worker.report.measure.bins import bins_of, exponent_of, quantiles
from worker.report.measure.column import Column, counted, pc, total
from worker.report.measure.hashes import shortened

_PENDING_MAX = 1 << 15


class EntryCounts:
    """How many rows each item or action was recommended to. Memory: the catalogue."""

    def __init__(self) -> None:
        self._tables = [
            pa.table({"id": pa.array([], pa.string()), "rows": pa.array([], pa.int64())})
        ]
        self._pending = 0

    def add_entries(self, entries: Column) -> None:
        """Count entries of lists, given as a dictionary array; nulls count as nothing.

        Of one that is too long to be an ID a digest is counted.
        """
        indices, counts = pc.value_counts(entries.indices.drop_null()).flatten()
        self._append(
            pa.table(
                {
                    "id": shortened(entries.dictionary.cast(pa.string())).take(indices),
                    "rows": counts,
                }
            )
        )

    def add(self, other: EntryCounts) -> None:
        """Add another's counts."""
        for counts in other._tables:
            self._append(counts)

    def table(self) -> pa.Table:
        """Return each `id` once with its `rows`, in no order."""
        if len(self._tables) > 1:
            summed = pa.concat_tables(self._tables).group_by("id", use_threads=False)
            counts = summed.aggregate([("rows", "sum")]).rename_columns(["id", "rows"])
            self._tables, self._pending = [counts.combine_chunks()], 0
        return self._tables[0]

    def _append(self, counts: pa.Table) -> None:
        self._tables.append(counts)
        self._pending += counts.num_rows
        if self._pending > max(_PENDING_MAX, 2 * self._tables[0].num_rows):
            self.table()


@dataclass(frozen=True)
class Concentration:
    """How evenly the entries of all lists are spread over the catalogue that was used."""

    distinct: int
    entries: int
    top_shares: dict[int, float]  # of the n most frequent, of all entries
    gini: float | None  # 0: all alike often; near 1: a few are nearly everything; None: no entries
    curve: list[tuple[int, float]]  # share of the n most frequent, for some n


def concentration(rows: Column, tops: tuple[int, ...] = (10, 100)) -> Concentration:
    """Return the concentration of entries, given how often each came."""
    counts = rows.take(pc.sort_indices(rows, sort_keys=[("", "descending")])).cast(pa.float64())
    distinct, entries = len(counts), total(counts)
    if not entries:
        return Concentration(0, 0, dict.fromkeys(tops, 0.0), None, [])
    shares = pc.divide(pc.cumulative_sum(counts), entries)
    steps = {round(10 ** (step / 12)) for step in range(12 * 12) if 10 ** (step / 12) < distinct}
    # Twice the area between the curve and evenness; each count's weight is its place.
    area = (total(shares) - 0.5) / distinct
    return Concentration(
        distinct=distinct,
        entries=round(entries),
        top_shares={top: shares[min(top, distinct) - 1].as_py() for top in tops},
        gini=max(0.0, 2 * area - 1),
        curve=[(n, shares[n - 1].as_py()) for n in sorted(steps | {distinct})],
    )


@dataclass
class Scores:
    """Scores by bin, and entries that have none."""

    bins: Counter[int] = field(default_factory=Counter)
    missing: int = 0

    def add_scores(self, scores: Column) -> None:
        """Count scores; negative ones, which the service has not, count as zero."""
        self.missing += scores.null_count
        positive = pc.max_element_wise(scores.drop_null(), pa.scalar(0.0))
        self.bins += Counter(dict(counted(bins_of(positive))))

    def add(self, other: Scores) -> None:
        """Add another's counts."""
        self.bins += other.bins
        self.missing += other.missing

    def quantiles(self, wanted: tuple[float, ...]) -> list[float]:
        """Return quantiles; none without scores."""
        return quantiles(self.bins.items(), wanted)

    def octaves(self) -> list[tuple[int, int]]:
        """Return n and the count of scores from 2**n up to twice that; zeros are left out."""
        counted = Counter[int]()
        for number, count in self.bins.items():
            if number:
                counted[exponent_of(number)] += count
        if not counted:
            return []
        span = range(min(counted), max(counted) + 1)
        return [(exponent, counted[exponent]) for exponent in span]
