"""A load test's result as text for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from worker.errors import QualityError, StoppedError, WorkerError
from worker.loadtest.result import Conclusion, Figures, SearchResult, Stage
from worker.loadtest.verdict import JudgedThreshold, LoadOutcome, Verdict
from worker.runtime.text import duration, table

_SHOWN_STAGES = 40
HINTS: Final = {
    "stopped": "the result so far is in the folder; run the same command again to begin anew",
    "invalid": "raise loadtest.in_flight_max where calls waited; else give this machine less to "
    "do, or more of it, or spread the load over several",
    "failed": "lower the load, raise minProvisionedTPS, or change the threshold",
}
"""What to do after each outcome but a good one."""
_HELD = {None: "", True: ", held", False: ", not held"}


def show_loadtest(result: Conclusion, output: str) -> str:
    """Return the summary for stdout."""
    total = result.total
    lines = [
        ("verdict", _verdict(result.verdict)),
        *(("", reason) for reason in result.verdict.reasons),
        *_search(result.search),
        ("calls", f"{total.calls:,} in {duration(total.seconds)}"),
        ("throttled", f"{total.throttles:,} ({total.throttle_share:.2%})"),
        ("failed", _failed(total)),
        ("latency ms", f"{_quantiles(total, 'from_due')} (from when a call was due)"),
        ("", f"{_quantiles(total, 'from_sent')} (from when it left)"),
        ("client", _client(total)),
        *((_kept(each), each.text) for each in result.thresholds),
        ("cost", _cost(result.cost_usd_estimate)),
        ("output", output),
    ]
    return f"{table(lines)}\n\n{_stages(result.stages)}"


def problem(conclusion: Conclusion) -> WorkerError | None:
    """Return what is wrong with a test; None for one that has passed."""
    outcome, reasons = conclusion.verdict.outcome, "; ".join(conclusion.verdict.reasons)
    match outcome:
        case LoadOutcome.PASSED:
            return None
        case LoadOutcome.STOPPED:
            return StoppedError(f"stopped before the end: {reasons}", hint=HINTS[outcome])
        case LoadOutcome.INVALID:
            return QualityError(f"the result is not valid: {reasons}", hint=HINTS[outcome])
        case LoadOutcome.FAILED:
            return QualityError(f"the load test failed: {reasons}", hint=HINTS[outcome])


def _verdict(verdict: Verdict) -> str:
    return {
        "passed": "PASSED",
        "failed": "FAILED",
        "invalid": "INVALID: what was measured is this client, not the service",
        "stopped": "STOPPED before the end",
    }[verdict.outcome]


def _search(search: SearchResult | None) -> Iterator[tuple[str, str]]:
    if search is None:
        return
    if search.held_tps is None:
        yield "rate held", "none"
        return
    failed = search.failed_tps
    beyond = f"{failed:,.1f}/s was not held" if failed else "higher ones were not tried"
    yield "rate held", f"{search.held_tps:,.1f}/s; {beyond}"
    if search.has_scaled:
        yield "at once", f"{search.at_once_tps:,.1f}/s, before the service had scaled out"
    if sure := search.confidence:
        low, high = map(_number, sure.p99_ms)
        measured = f"{sure.samples:,} calls in {duration(sure.seconds)}"
        p99, throttled = f"{low} to {high} ms", f"{sure.throttle_share[1]:.2%}"
        yield "confidence", f"{measured}; 95 % sure: p99 {p99}, at most {throttled} throttled"
    cost = search.month_usd_estimate
    shown = "" if cost is None else f", ${cost:,.0f} a month (estimate, without volume discounts)"
    recommended = f"minProvisionedTPS = {search.min_provisioned_tps_recommended}"
    yield "recommended", f"{recommended} holds that rate at any moment{shown}"


def _failed(measures: Figures) -> str:
    codes = ", ".join(f"{code} {count:,}" for code, count in measures.errors.items())
    return f"{sum(measures.errors.values()):,} ({measures.error_share:.2%})" + (
        f": {codes}" if codes else ""
    )


def _quantiles(measures: Figures, name: str) -> str:
    found = measures.latency_ms[name]
    return ", ".join(f"{at} {_number(value)}" for at, value in found.items())


def _client(measures: Figures) -> str:
    lateness = _number(measures.latency_ms["lateness"]["p99"])
    return (
        f"{measures.off_schedule_share:.2%} of the calls late or missed, lateness p99 "
        f"{lateness} ms, {measures.cpu_share:.0%} of a core"
    )


def _kept(threshold: JudgedThreshold) -> str:
    return "kept" if threshold.holds else "BROKEN"


def _stages(stages: Sequence[Stage]) -> str:
    head = ("stage", "asked for", "calls/s", "p50 ms", "p99 ms", "throttled", "failed")
    rows = [head]
    shown = [stage for stage in stages if stage.figures.calls and stage.asked.name != "warm-up"]
    for stage in shown[:_SHOWN_STAGES]:
        asked, figures = stage.asked, stage.figures
        latency = figures.latency_ms["from_due"]
        rows.append(
            (
                f"{asked.name}{_HELD[asked.searched.held if asked.searched else None]}",
                f"{asked.to_tps:,.1f}",
                _number(figures.tps),
                _number(latency["p50"]),
                _number(latency["p99"]),
                f"{figures.throttle_share:.2%}",
                f"{figures.error_share:.2%}",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        first, *rest = (
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]))
    if len(shown) > _SHOWN_STAGES:
        lines.append(f"... {len(shown) - _SHOWN_STAGES} more in _loadtest.json")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def _cost(cost: float | None) -> str:
    if cost is None:
        return "unknown: set price.per_1000_usd for an estimate"
    return f"${cost:,.4f} (estimate)" if cost < 1 else f"${cost:,.2f} (estimate)"
