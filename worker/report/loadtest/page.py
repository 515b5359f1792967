"""A load test's files -> its report page: the headline, and what is in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from worker import __version__
from worker.loadtest.measure import Interval
from worker.loadtest.text import HINTS
from worker.loadtest.verdict import LoadOutcome
from worker.report.loadtest import over_time, results
from worker.report.loadtest.check import AbortedTest
from worker.report.loadtest.source import LoadFiles
from worker.report.pages.config_table import config_section
from worker.report.pages.format import NONE, count, number, share, when
from worker.report.pages.page import Figure, Page, Section, Tone
from worker.runtime.text import duration

_OUTCOMES: dict[str, tuple[Tone, str]] = {
    "passed": ("good", "Passed"),
    "failed": ("bad", "Load test failed"),
    "invalid": ("warning", "Not valid: this says nothing of the service"),
    "stopped": ("warning", "Stopped before the end"),
}


def load_page(files: LoadFiles, now: datetime) -> Page:
    """Return the report page of a load test, ended or not."""
    tone, verdict, reasons = _verdict(files)
    target = files.result.target
    begun = when(datetime.fromisoformat(files.result.started_at))
    return Page(
        title=f"Load test: {target.operation} on {target.arn.split(':', 5)[-1]}",
        subtitle=f"In {files.where}, begun {begun}",
        tone=tone,
        verdict=verdict,
        reasons=reasons,
        figures=list(_figures(files)),
        sections=list(_sections(files)),
        footer=f"Written by personalize-worker {__version__} at {when(now)} from the load test's "
        "files alone. It holds no credentials.",
    )


def _verdict(files: LoadFiles) -> tuple[Tone, str, list[str]]:
    if (result := files.ended) is None:
        return "warning", "Not finished", list(_unfinished(files))
    outcome = result.verdict.outcome
    tone, verdict = _OUTCOMES[outcome]
    reasons = [f"{reason}." for reason in result.verdict.reasons]
    if outcome != "passed":
        return tone, verdict, [*reasons, f"What to do: {HINTS[LoadOutcome(outcome)]}."]
    kept = len(result.thresholds)
    if kept:
        reasons.append(f"All {kept} thresholds hold." if kept > 1 else "The threshold holds.")
    if search := result.search:
        reasons.insert(0, f"{number(search.held_tps or 0)} calls/s are held.")
    elif not kept:
        reasons.append("No threshold was set: loadtest.thresholds says what must hold.")
    return tone, verdict, reasons


def _unfinished(files: LoadFiles) -> Iterator[str]:
    if isinstance(files.result, AbortedTest):
        yield f"There is no verdict, as this ended the test: {files.result.error.rstrip('.')}."
    else:
        yield "There is no verdict: the test is still running, or was killed, or cannot write."
    if files.intervals:
        stages = files.result.loadtest.stages
        of = f" of {duration(sum(stage.seconds for stage in stages))}" if stages else ""
        got = duration(files.intervals[-1].at_s)
        yield f"It has got as far as {got}{of}; what is below is of that time."
    else:
        yield "It has no timeline: its first second was not over."
    yield "A test that did not end is begun anew by the same command."


def _sections(files: LoadFiles) -> Iterator[Section]:
    result = files.ended
    if result is not None:
        yield from results.sections(result)
    yield from over_time.sections(files.intervals)
    if result is not None:
        yield from results.latency_section(result)
    yield config_section(files.result.config, of="load test")


def _figures(files: LoadFiles) -> Iterator[Figure]:
    if (result := files.ended) is None:
        yield from _figures_so_far(files.intervals)
        return
    total, (measures, _) = result.total, results.judged(result)
    if search := result.search:
        held, recommended = search.held_tps, search.min_provisioned_tps_recommended
        value = NONE if held is None else number(held)
        yield Figure(label="Rate held", value=value, note="calls/s")
        if recommended:
            usd = search.month_usd_estimate
            note = "recommended" if usd is None else f"recommended; about ${usd:,.0f} a month"
            yield Figure(label="Minimum TPS", value=count(recommended), note=note)
    note = f"in {duration(total.seconds)}, {number(total.tps or 0)}/s"
    yield Figure(label="Calls", value=count(total.calls), note=note)
    of = "" if measures is total else ", as confirmed"
    due, sent = measures.latency_ms.from_due, measures.latency_ms.from_sent.p99
    if due.p50 is not None and due.p99 is not None and sent is not None:
        note = f"ms, from due; p50 {number(due.p50)}, from sent {number(sent)}{of}"
        yield Figure(label="Latency p99", value=number(due.p99), note=note)
    for label, calls, part in (
        ("Throttled", total.throttles, total.throttle_share),
        ("Failed otherwise", sum(total.errors.values()), total.error_share),
    ):
        tone: Tone = "warning" if calls else "plain"
        note = f"{count(calls)} calls"
        yield Figure(label=label, value=share(part), note=note, tone=tone)
    late = share(total.off_schedule_share)
    yield Figure(label="Late or unsent", value=late, note="the client's own doing")
    if (usd := result.cost_usd_estimate) is not None:
        value = f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"
        yield Figure(label="Cost", value=value, note="an estimate, of this test")


def _figures_so_far(intervals: Sequence[Interval]) -> Iterator[Figure]:
    """Yield what a timeline alone shows: no quantiles of the whole."""
    if not intervals:
        return
    throttles = sum(each.throttles for each in intervals)
    errors = sum(each.errors for each in intervals)
    calls = throttles + errors + sum(each.successes for each in intervals)
    seconds = intervals[-1].at_s
    note = f"in {duration(seconds)}, {number(calls / (seconds or 1))}/s"
    yield Figure(label="Calls so far", value=count(calls), note=note)
    for label, some in (("Throttled", throttles), ("Failed otherwise", errors)):
        tone: Tone = "warning" if some else "plain"
        note = f"{count(some)} calls"
        yield Figure(label=label, value=share(some / max(1, calls)), note=note, tone=tone)
