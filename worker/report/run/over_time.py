"""A run over time, and its latencies: charts with their tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from worker.report.measure.measure import Measured
from worker.report.measure.timeline import QUANTILES, Slice
from worker.report.pages.format import NONE, clock, count, number, when
from worker.report.pages.page import Chart, Section, Series, Table
from worker.report.pages.percentiles import Curve, is_wide, percentile_chart, percentile_table
from worker.runtime.text import duration

SLICES_SHOWN = 1200
SLICES_MIN = 60
ROWS_PER_SLICE = 50  # fewer make a p99 of chance
PERIODS_SHOWN = 10
PAUSES_SHOWN = 5


def sections(total: Measured) -> Iterator[Section]:
    """Yield the sections on time and latency; none for a run without a call."""
    most = min(SLICES_SHOWN, max(SLICES_MIN, total.books.rows_read // ROWS_PER_SLICE))
    slices, pauses = total.timeline.slices(most)
    if slices:
        periods, _ = total.timeline.slices(PERIODS_SHOWN)
        yield Section(
            title="Over time",
            text=list(_about(slices, pauses)),
            parts=[_rates(slices), _periods(periods), _latencies(slices), _troubles(slices)],
        )
    if total.books.latency.get_total_count():
        curves = [Curve("latency ms", total.books.latency)]
        yield Section(
            title="Latency",
            text=["Of each answered attempt, from sending it to the last byte of its answer."],
            parts=[percentile_chart(curves), percentile_table(curves)],
        )


def _about(slices: Sequence[Slice], pauses: Sequence[tuple[float, float]]) -> Iterator[str]:
    begun = datetime.fromtimestamp(slices[0].at_us / 1e6, UTC)
    length = slices[-1].start_s + slices[-1].seconds
    yield (
        f"The first answered call left at {when(begun)}; calls went on for {duration(length)}. "
        f"Each point stands for {duration(slices[0].seconds)}."
    )
    if pauses:
        listed = [f"{duration(long)} after {duration(at)}" for at, long in pauses[:PAUSES_SHOWN]]
        more = f" and {len(pauses) - PAUSES_SHOWN} more" if len(pauses) > PAUSES_SHOWN else ""
        yield f"Left out, as nothing was called then: {', '.join(listed)}{more}."


def _rates(slices: Sequence[Slice]) -> Chart:
    return _over_time(
        slices,
        "Calls and answers per second, over time",
        "per second",
        Series(
            label="calls",
            values=[slice_.calls / slice_.seconds for slice_ in slices],
            kind="area",
            color="blue",
        ),
        Series(
            label="results",
            values=[slice_.rows / slice_.seconds for slice_ in slices],
            kind="dashed",
            color="teal",
        ),
    )


def _latencies(slices: Sequence[Slice]) -> Chart:
    p50, p90, p99 = (
        [slice_.latency_ms[n] if slice_.latency_ms else None for slice_ in slices]
        for n in range(len(QUANTILES))
    )
    return _over_time(
        slices,
        "Latency over time",
        "ms",
        Series(label="p50", values=p50, color="teal"),
        Series(label="p90", values=p90, color="blue", kind="dashed"),
        Series(label="p99", values=p99, color="orange"),
        y_log=is_wide([value for value in (*p50, *p90, *p99) if value]),
    )


def _troubles(slices: Sequence[Slice]) -> Chart:
    return _over_time(
        slices,
        "Retries and failed rows per second, over time",
        "per second",
        Series(
            label="retries",
            values=[slice_.retries / slice_.seconds for slice_ in slices],
            kind="area",
            color="orange",
        ),
        Series(
            label="failed rows",
            values=[slice_.failed / slice_.seconds for slice_ in slices],
            color="red",
        ),
    )


def _over_time(
    slices: Sequence[Slice], label: str, y_label: str, *series: Series, y_log: bool = False
) -> Chart:
    return Chart(
        label=label,
        x=[slice_.start_s for slice_ in slices],
        x_kind="elapsed",
        x_label="running time",
        y_label=y_label,
        y_log=y_log,
        series=series,
    )


def _periods(slices: Sequence[Slice]) -> Table:
    rows = []
    for slice_ in slices:
        p50, _, p99 = map(number, slice_.latency_ms) if slice_.latency_ms else (NONE, NONE, NONE)
        rows.append(
            (
                clock(slice_.at_us),
                count(slice_.rows),
                number(slice_.calls / slice_.seconds),
                p50,
                p99,
                count(slice_.retries),
                count(slice_.failed),
            )
        )
    return Table(
        caption=f"The same in {len(rows)} periods of {duration(slices[0].seconds)}",
        head=("from (UTC)", "results", "calls/s", "p50 ms", "p99 ms", "retries", "failed"),
        rows=rows,
        numbers=frozenset(range(1, 7)),
    )
