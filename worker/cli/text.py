"""Plans, summaries and explanations as text for people. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import orjson

from worker.commands.explained import Explanation
from worker.commands.planned import DeadlinePlan, Plan
from worker.output.summary import QualityNumbers, Summary
from worker.runtime.records import as_json
from worker.runtime.text import as_text, duration, table


def show_plan(plan: Plan) -> str:
    """Return `plan` as text."""
    distinct = f"{plan.distinct_requests:,}" + ("" if plan.distinct_is_exact else " (about)")
    parts = f"{plan.parts:,}"
    if plan.parts_done:
        parts += f", of which {plan.parts_done:,} are done already"
    refused = [
        (f"  {rows:,} row{'s' * (rows != 1)}", reason) for reason, rows in plan.refused.items()
    ]
    lines = [
        ("operation", f"{plan.operation} on {plan.target}"),
        ("rows", _rows(plan)),
        ("refused rows", f"{plan.rows_refused:,} (go to _errors/ without a call)"),
        *refused,
        ("distinct requests", distinct),
        ("duplicates", f"{plan.duplicates:,} (answered by an identical request)"),
        ("calls", _calls(plan)),
        ("time", f"{duration(plan.seconds)} at {plan.tps:g} calls/s, retries not included"),
        ("cost", _cost(plan.cost_usd_estimate)),
        ("parts", parts),
    ]
    if plan.deadline is not None:
        lines.append(("deadline", _deadline(plan, plan.deadline)))
    requests = "\n".join(orjson.dumps(request).decode() for request in plan.first_requests)
    return f"{table(lines)}\n\nfirst requests\n{requests or 'none'}"


def show_summary(summary: Summary, output: str) -> str:
    """Return the content of `_SUCCESS` as text."""
    codes = ", ".join(f"{code} {rows:,}" for code, rows in summary.errors.items())
    latency = ", ".join(f"{name} {value:g}" for name, value in summary.latency_ms.items())
    seconds = summary.seconds
    rate = summary.calls / seconds if seconds else 0.0
    size = sum(part.bytes for part in summary.parts)
    retries, throttles = summary.retries, summary.throttles
    lines = [
        ("rows read", f"{summary.rows_read:,}"),
        ("results", f"{summary.results:,}"),
        ("failed", f"{summary.rows_failed:,}" + (f" ({codes}) in _errors/" if codes else "")),
        ("duplicates", f"{summary.duplicates:,} rows answered by an identical request"),
        ("calls", f"{summary.calls:,}, of which {retries:,} retries; {throttles:,} throttled"),
        ("time", f"{duration(seconds)}, {rate:,.0f} calls/s"),
        ("latency ms", latency or "none"),
        ("cost", _cost(summary.cost_usd_estimate)),
        *_quality(summary.quality),
        ("output", f"{output} ({len(summary.parts)} files, {size:,} bytes)"),
    ]
    return table(lines)


def show_explanation(explanation: Explanation, output: str) -> str:
    """Return what is known of one ID as text: JSON, indented, under a line of orientation."""
    head = f"{explanation.id} in run {explanation.run_id} ({shlex.quote(output)})"
    option = orjson.OPT_INDENT_2 | orjson.OPT_NAIVE_UTC
    rows: list[str] = [
        orjson.dumps(as_json(row), option=option, default=as_text).decode()
        for row in explanation.rows
    ]
    return "\n".join([head, *rows])


def _quality(numbers: QualityNumbers | None) -> Iterable[tuple[str, str]]:
    if numbers:
        shares = {
            "without an item": numbers.empty_share,
            "too short": numbers.short_share,
            "popular fallback": numbers.fallback_share,
        }
        listed = [f"{text} {part:.1%}" for text, part in shares.items() if part is not None]
        yield "lists", ", ".join(listed)


def _rows(plan: Plan) -> str:
    if plan.rows == plan.input_rows:
        return f"{plan.rows:,}"
    return f"{plan.rows:,} to do, of {plan.input_rows:,} in the input"


def _calls(plan: Plan) -> str:
    cap = plan.calls_max
    if cap is not None and cap < plan.calls:
        return f"{plan.calls:,}, but a cap in [stop] ends the run after {cap:,}"
    return f"{plan.calls:,}"


def _deadline(plan: Plan, deadline: DeadlinePlan) -> str:
    when = f"{deadline.deadline}, in {duration(deadline.deadline_seconds)}"
    if deadline.deadline_feasible:
        fitted = f", paced to fit; {plan.tps_max:g} calls/s are possible"
        return f"{when}: feasible{fitted if plan.tps < plan.tps_max else ''}"
    return (
        f"{when}: NOT FEASIBLE at this rate; {deadline.deadline_tps_needed:,.1f} calls/s would be "
        f"needed, {deadline.deadline_rows_missing:,} rows will be missing"
    )


def _cost(cost: float | None) -> str:
    if cost is None:
        return "unknown: set price.per_1000_usd for an estimate"
    return f"${cost:,.4f} (estimate)" if cost < 1 else f"${cost:,.2f} (estimate)"
