"""A run over time, and its latencies: charts with their tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from hdrh.histogram import HdrHistogram

from worker.report.format import NONE, clock, count, number, when
from worker.report.measure import Measured
from worker.report.page import Chart, Section, Series, Table
from worker.report.timeline import QUANTILES, Slice
from worker.show import duration

SLICES_SHOWN = 1200
SLICES_MIN = 60
ROWS_PER_SLICE = 50  # fewer make a p99 of chance
PERIODS_SHOWN = 10
PAUSES_SHOWN = 5
_LOG_FROM = 30  # times from the least to the most: beyond it a linear axis hides the small
_QUANTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)
_STEPS_PER_DECADE = 12


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
        yield Section(
            title="Latency",
            text=["Of each answered attempt, from sending it to the last byte of its answer."],
            parts=[_percentiles(total.books.latency), _quantiles(total.books.latency)],
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
        y_log=_is_wide([value for value in (*p50, *p90, *p99) if value]),
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


def _percentiles(latency: HdrHistogram) -> Chart:
    """Return the latencies of all quantiles, the rarest with as much room as the most."""
    total = latency.get_total_count()
    places = [10 ** (step / _STEPS_PER_DECADE) for step in range(10 * _STEPS_PER_DECADE)]
    x = [*(place for place in places if place < total), float(total)]
    values = [latency.get_value_at_percentile(100 - 100 / place) / 1e3 for place in x[:-1]] + [
        latency.get_max_value() / 1e3
    ]
    if total == 1:
        x, values = [1.0, 10.0], values * 2
    return Chart(
        label="Latency by percentile",
        x=x,
        x_kind="quantile",
        x_label="percentile",
        y_label="ms",
        y_log=_is_wide(values),
        series=[Series(label="latency ms", values=values, kind="area", color="blue")],
    )


def _quantiles(latency: HdrHistogram) -> Table:
    total = latency.get_total_count()
    rows = [
        (
            "slowest" if percentile == 100 else f"{percentile:g} %",
            number(latency.get_value_at_percentile(percentile) / 1e3),
            count(total * (100 - percentile) / 100),
        )
        for percentile in _QUANTILES
    ]
    return Table(
        caption=f"Of {count(total)} answers",
        head=("so many took", "at most ms", "answers beyond"),
        rows=rows,
        numbers=frozenset({1, 2}),
    )


def _is_wide(values: Sequence[float]) -> bool:
    return bool(values) and min(values) > 0 and max(values) / min(values) > _LOG_FROM
