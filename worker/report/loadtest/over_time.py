"""A load test over time: charts with their tables. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from worker.loadtest.measure import Interval
from worker.report.loadtest.points import Point, points
from worker.report.pages.format import NONE, count, number, share
from worker.report.pages.page import Chart, Color, Section, Series, SeriesKind, Table
from worker.report.pages.percentiles import is_wide
from worker.runtime.text import duration

POINTS_SHOWN = 1200
PERIODS_SHOWN = 10
CODES_SHOWN = 4
_WIDE_COLUMNS = 4
_CODE_COLORS: tuple[Color, ...] = ("red", "violet", "blue", "teal")

Cell = Callable[[Point], str]


def sections(intervals: Sequence[Interval]) -> Iterator[Section]:
    """Yield the sections on what happened when; none without a timeline."""
    if not intervals:
        return
    shown = points(intervals, POINTS_SHOWN)
    periods = points(intervals, PERIODS_SHOWN)
    yield _rates(shown, periods)
    yield _latencies(shown, periods)
    yield _failures(shown, periods)
    yield _client(shown, periods)


def _rates(shown: Sequence[Point], periods: Sequence[Point]) -> Section:
    return Section(
        title="Rate",
        text=[f"Each point stands for about {duration(shown[0].seconds)}."],
        parts=[
            _chart(
                shown,
                "Calls per second that were asked for and made, over time",
                "per second",
                _line("made", shown, lambda each: each.sent / each.seconds, "blue", "area"),
                _line("successes", shown, lambda each: each.successes / each.seconds, "teal"),
                _line("asked for", shown, lambda each: each.target_tps, "gray", "dashed"),
            ),
            _table(
                periods,
                ("asked for", lambda each: number(each.target_tps)),
                ("calls/s", lambda each: number(each.sent / each.seconds)),
                ("successes/s", lambda each: number(each.successes / each.seconds)),
                ("in flight", lambda each: count(each.in_flight)),
            ),
        ],
    )


def _latencies(shown: Sequence[Point], periods: Sequence[Point]) -> Section:
    quantiles = (
        _line("p50", shown, lambda each: each.p50_ms, "teal"),
        _line("p99", shown, lambda each: each.p99_ms, "orange"),
        _line("slowest", shown, lambda each: each.max_ms, "gray", "dashed"),
    )
    text = ["Of successful calls, from when each was due to the last byte of its answer."]
    if len(periods) < len(shown):
        text.append(
            "Of more than a second, p50 is the median of its seconds', "
            "p99 and the slowest are the highest."
        )
    return Section(
        title="Latency over time",
        text=text,
        parts=[
            _chart(
                shown,
                "Latency from due, over time",
                "ms",
                *quantiles,
                y_log=is_wide([value for line in quantiles for value in line.values if value]),
            ),
            _table(
                periods,
                ("p50 ms", lambda each: _number(each.p50_ms)),
                ("p99 ms", lambda each: _number(each.p99_ms)),
                ("slowest ms", lambda each: _number(each.max_ms)),
            ),
        ],
    )


def _failures(shown: Sequence[Point], periods: Sequence[Point]) -> Section:
    total = Counter[str]()
    for point in shown:
        total.update(point.errors)
    lines = [
        _line("throttled", shown, lambda each: each.throttles / each.seconds, "orange", "area")
    ]
    columns: list[tuple[str, Cell]] = [("throttled", lambda each: count(each.throttles))]
    codes = [code for code, _ in total.most_common(CODES_SHOWN)]
    for code, color in zip(codes, _CODE_COLORS, strict=False):
        lines.append(_line(code, shown, _of_code(code), color))
        columns.append((code, _count_of_code(code)))
    if len(total) > CODES_SHOWN:

        def others(each: Point) -> int:
            return each.errors.total() - sum(each.errors[code] for code in codes)

        lines.append(_line("other codes", shown, lambda each: others(each) / each.seconds, "gray"))
        columns.append(("other codes", lambda each: count(others(each))))
    throttles = sum(each.throttles for each in shown)
    title = "Throttles and errors"
    if not throttles and not total:
        return Section(title=title, text=["No call was throttled, and none failed."])
    tables = [
        _codes({"throttled": throttles, **total}, sum(point.sent for point in shown)),
        _table(periods, *columns),
    ]
    if len(columns) < _WIDE_COLUMNS:
        tables.reverse()  # the periods fit beside the chart
    chart = _chart(shown, "Throttled and failed calls per second, over time", "per second", *lines)
    text = f"{count(throttles)} calls were throttled, {count(total.total())} failed otherwise."
    return Section(title=title, text=[text], parts=[chart, *tables])


def _codes(counts: Mapping[str, int], calls: int) -> Table:
    most = sorted(counts.items(), key=lambda pair: -pair[1])
    return Table(
        caption="Calls that did not succeed, by code",
        head=("code", "calls", "share"),
        rows=[(code, count(each), share(each / calls)) for code, each in most if each],
        numbers=frozenset({1, 2}),
    )


def _of_code(code: str) -> Callable[[Point], float]:
    return lambda each: each.errors[code] / each.seconds


def _count_of_code(code: str) -> Cell:
    return lambda each: count(each.errors[code])


def _client(shown: Sequence[Point], periods: Sequence[Point]) -> Section:
    late = (
        _line("lateness", shown, lambda each: each.late_ms_max, "violet"),
        _line("lag of the event loop", shown, lambda each: each.loop_lag_ms_max, "gray", "dashed"),
    )
    return Section(
        title="The client",
        text=[
            "Lateness is from when a call was due to when it left; shown is the most of each time.",
            "Where it is high, or the share of a core, this program was measured as well.",
        ],
        parts=[
            _chart(
                shown,
                "The most that a call left late, over time",
                "ms",
                *late,
                y_log=is_wide([value for value in late[0].values if value]),
            ),
            _chart(
                shown,
                "Share of a core that making the calls took, over time",
                "percent",
                _line("share of a core", shown, lambda each: each.cpu_share * 100, "blue", "area"),
            ),
            _table(
                periods,
                ("lateness ms", lambda each: _number(each.late_ms_max)),
                ("lag ms", lambda each: number(each.loop_lag_ms_max)),
                ("of a core", lambda each: share(each.cpu_share)),
                ("never left", lambda each: count(each.missed)),
            ),
        ],
    )


def _line(
    label: str,
    shown: Sequence[Point],
    value: Callable[[Point], float | None],
    color: Color,
    kind: SeriesKind = "line",
) -> Series:
    values = [value(each) for each in shown]
    return Series(label=label, values=[values[0], *values], color=color, kind=kind)


def _chart(
    shown: Sequence[Point], label: str, y_label: str, *series: Series, y_log: bool = False
) -> Chart:
    return Chart(
        label=label,
        # A value is that of the time before it; the first has a beginning, too.
        x=[round(shown[0].from_s, 1), *(each.at_s for each in shown)],
        x_kind="elapsed",
        x_label="since the start",
        y_label=y_label,
        y_log=y_log,
        series=series,
    )


def _table(periods: Sequence[Point], *columns: tuple[str, Cell]) -> Table:
    rows = [(duration(each.from_s), *(cell(each) for _, cell in columns)) for each in periods]
    long = duration(periods[0].seconds)
    caption = f"The same in {len(rows)} periods of {long}" if len(rows) > 1 else f"In {long}"
    return Table(
        caption=caption,
        head=("from", *(head for head, _ in columns)),
        rows=rows,
        numbers=frozenset(range(len(columns) + 1)),
    )


def _number(value: float | None) -> str:
    return NONE if value is None else number(value)
