"""Latencies by percentile: a chart, the rarest with as much room as the most, and a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hdrh.histogram import HdrHistogram

from worker.report.pages.format import NONE, count, number
from worker.report.pages.page import Chart, Color, Series, SeriesKind, Table

_LOG_FROM = 30  # times from the least to the most: beyond it a linear axis hides the small
_QUANTILES = (50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0)
_STEPS_PER_DECADE = 12


class Curve(NamedTuple):
    """A histogram of microseconds, and how it is drawn."""

    label: str
    latency: HdrHistogram
    color: Color = "blue"
    kind: SeriesKind = "area"


def percentile_chart(curves: Sequence[Curve]) -> Chart:
    """Return the latencies of all quantiles; each curve ends with its slowest."""
    most = max(curve.latency.get_total_count() for curve in curves)
    places = [10 ** (step / _STEPS_PER_DECADE) for step in range(10 * _STEPS_PER_DECADE)]
    x = [*(place for place in places if place < most), float(most)] if most > 1 else [1.0, 10.0]
    values = [_values(curve.latency, x) for curve in curves]
    return Chart(
        label="Latency by percentile",
        x=x,
        x_kind="quantile",
        x_label="percentile",
        y_label="ms",
        y_log=is_wide([value for column in values for value in column]),
        series=[
            Series(label=curve.label, values=column, kind=curve.kind, color=curve.color)
            for curve, column in zip(curves, values, strict=True)
        ],
    )


def _values(latency: HdrHistogram, x: Sequence[float]) -> list[float]:
    found = [latency.get_value_at_percentile(100 - 100 / place) / 1e3 for place in x[:-1]]
    return [*found, latency.get_max_value() / 1e3]


def percentile_table(curves: Sequence[Curve]) -> Table:
    """Return some quantiles of each curve, and how many of the first are beyond them."""
    total = curves[0].latency.get_total_count()
    rows = []
    for percentile in _QUANTILES:
        found = [curve.latency.get_value_at_percentile(percentile) for curve in curves]
        rows.append(
            (
                "slowest" if percentile == 100 else f"{percentile:g} %",
                *(number(value / 1e3) if total else NONE for value in found),
                count(total * (100 - percentile) / 100),
            )
        )
    heads = ["at most ms"] if len(curves) == 1 else [f"{curve.label}, ms" for curve in curves]
    return Table(
        caption=f"Of {count(total)} answers",
        head=("so many took", *heads, "answers beyond"),
        rows=rows,
        numbers=frozenset(range(1, len(curves) + 2)),
    )


def is_wide(values: Sequence[float]) -> bool:
    """Return whether values are so far apart that only a logarithmic axis shows all."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _LOG_FROM
