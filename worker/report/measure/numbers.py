"""Measures as the numbers that `_SUCCESS`, the gates and the report give. Pure."""

from __future__ import annotations

from worker.config.rules import LISTS_ALIKE_BY_CHANCE
from worker.output.summary import QualityNumbers
from worker.report.measure.column import column
from worker.report.measure.counts import Concentration, concentration
from worker.report.measure.measure import Measures

TOPS = (10, 100)


def spread(measures: Measures) -> Concentration:
    """Return how evenly the entries of all lists are spread."""
    return concentration(column(measures.total.entries.table(), "rows"), TOPS)


def quality_numbers(measures: Measures, overlap: float | None = None) -> QualityNumbers:
    """Return what the results are like; `overlap` is with the results of the run before."""
    total, items = measures.total, spread(measures)
    fallback = sum(shared.rows for shared in measures.shared)
    is_judged = not total.results or any(
        length >= LISTS_ALIKE_BY_CHANCE or not length for length in total.lengths
    )

    def share(rows: int) -> float:
        return rows / total.results if total.results else 0.0

    return QualityNumbers(
        empty_rows=total.empty,
        empty_share=share(total.empty),
        short_rows=total.short if measures.is_short_known else None,
        short_share=share(total.short) if measures.is_short_known else None,
        fallback_rows=fallback if is_judged else None,
        fallback_share=share(fallback) if is_judged else None,
        shared_lists=len(measures.shared),
        distinct_items=items.distinct,
        top_10_share=items.top_shares[10],
        top_100_share=items.top_shares[100],
        gini=items.gini,
        overlap_with_previous=overlap,
    )
