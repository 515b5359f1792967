"""A run's numbers -> its report page: the headline, and what is the same for all reports. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from worker import __version__
from worker.output.summary import QualityNumbers, latency_ms
from worker.report.measure.measure import Example, Measures
from worker.report.pages.config_table import config_section
from worker.report.pages.format import NONE, count, share, when
from worker.report.pages.page import Figure, Page, Section, Table, Tone
from worker.report.run import over_time, quality
from worker.report.run.gates import gate_sentence
from worker.report.source import RunEnd, RunFiles
from worker.runtime.text import duration
from worker.telemetry.cost import cost_usd

MESSAGES_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a report is made from."""

    files: RunFiles
    measures: Measures
    numbers: QualityNumbers
    end: RunEnd | None  # None: not finished
    examples: list[Example]  # of the most frequent shared lists


def run_page(run: Run, now: datetime) -> Page:
    """Return the report page of a run, finished or not."""
    tone, verdict, reasons = _verdict(run)
    config = run.files.config
    return Page(
        title=f"{config.target.operation.value} on {config.target.arn.split(':', 5)[5]}",
        subtitle=f"Run {run.files.run.run_id} in {run.files.store.place}, "
        f"begun {when(datetime.fromisoformat(run.files.run.created_at))}",
        tone=tone,
        verdict=verdict,
        reasons=reasons,
        figures=list(_figures(run)),
        sections=[
            *_gates(run),
            *over_time.sections(run.measures.total),
            *quality.sections(run.files, run.measures, run.numbers, run.examples),
            *_errors(run),
            config_section(run.files.run.config, of="run"),
            Section(title="How these numbers are made", text=quality.DEFINITIONS),
        ],
        footer=f"Written by personalize-worker {__version__} at {when(now)} from the output's "
        "files alone. It holds IDs of the output, and no credentials.",
    )


def _verdict(run: Run) -> tuple[Tone, str, list[str]]:
    books, end = run.measures.total.books, run.end
    failed = books.errors.total()
    some_failed = f"{count(failed)} of {count(books.rows_read)} rows failed; they are in _errors/."
    if end is None:
        there, expected = len(run.files.part_names), run.files.parts_expected
        text = "The numbers below are of these. Run the same command again to carry on."
        if there == expected:
            text = "Only _SUCCESS is missing. Run the same command again, which calls nothing more."
        return "warning", f"Not finished: {there:,} of {expected:,} parts are there", [text]
    if broken := end.broken_gates:
        reasons = [f"{gate_sentence(gate)}." for gate in broken]
        return "bad", "Quality gate failed: there is no _SUCCESS", reasons
    if not end.within_tolerance:
        most = share(run.files.config.stop.error_share_max)
        return (
            "bad",
            "Done, but more rows failed than tolerated",
            [f"{some_failed} {most} are tolerated."],
        )
    if failed:
        return "good", "Done: failed rows are within what is tolerated", [some_failed]
    if not books.rows_read:
        return "warning", "Done, but there was no row to read", []
    return "good", "Done: every row has a result", []


def _figures(run: Run) -> Iterator[Figure]:
    books, numbers = run.measures.total.books, run.numbers
    failed = books.errors.total()
    latency = latency_ms(books)
    cost = cost_usd(books.calls, run.files.config.price.per_1000_usd)
    repeated = f", {count(books.duplicates)} duplicates" if books.duplicates else ""
    note = f"{count(books.results)} results{repeated}"
    yield Figure(label="Rows", value=count(books.rows_read), note=note)
    yield Figure(
        label="Failed",
        value=count(failed),
        note=share(failed / books.rows_read) if books.rows_read else "",
        tone=_tone_of_failed(run, failed),
    )
    rate = books.calls / books.seconds if books.seconds else 0.0
    yield Figure(
        label="Calls",
        value=count(books.calls),
        note=f"{count(books.retries)} retries, {count(books.throttles)} throttled",
    )
    yield Figure(label="Time", value=duration(books.seconds), note=f"{count(rate)} calls/s")
    if latency:
        note = f"ms; p50 {latency['p50']:,.4g}, max {latency['max']:,.4g}"
        yield Figure(label="Latency p99", value=f"{latency['p99']:,.4g}", note=note)
    if numbers.fallback_share is not None:
        note = f"{count(numbers.fallback_rows or 0)} results"
        yield Figure(label="Fallback", value=share(numbers.fallback_share), note=note)
    yield Figure(label="Empty lists", value=share(numbers.empty_share), note="of results")
    if cost is not None:
        value = f"${cost:,.2f}" if cost >= 1 else f"${cost:.4f}"
        yield Figure(label="Cost", value=value, note="an estimate")


def _tone_of_failed(run: Run, failed: int) -> Tone:
    if not failed:
        return "plain"
    return "bad" if run.end and not run.end.within_tolerance else "warning"


def _gates(run: Run) -> Iterator[Section]:
    if run.end and run.end.gates:
        rows = [
            (gate.gate, "passed" if gate.passed else "FAILED", f"{gate.limit:g}",
             "unknown" if gate.seen is None else f"{gate.seen:.4g}")
            for gate in run.end.gates
        ]  # fmt: skip
        head = ("gate", "verdict", "limit", "seen")
        yield Section(
            title="Quality gates",
            parts=[
                Table(caption="Gates of [quality]", head=head, rows=rows, numbers=frozenset({2, 3}))
            ],
        )


def _errors(run: Run) -> Iterator[Section]:
    failures, read = run.measures.total.failures, run.measures.total.books.rows_read
    if not failures.codes:
        return
    rows = []
    for code, failed in failures.codes.most_common():
        messages = failures.messages[code]
        texts = [f"{text} ({count(rows)})" for text, rows in messages.most_common(MESSAGES_SHOWN)]
        if len(messages) > MESSAGES_SHOWN:
            texts.append(f"and {count(len(messages) - MESSAGES_SHOWN)} other messages")
        statuses = ", ".join(map(str, sorted(failures.statuses.get(code, ()))))
        examples = ", ".join(failures.examples[code])
        rows.append(
            (
                code,
                statuses or NONE,
                count(failed),
                share(failed / read),
                "; ".join(texts),
                examples,
            )
        )
    head = ("code", "HTTP", "rows", "share", "messages (rows)", "first rows, by ID")
    failed_rows = Table(caption="By code", head=head, rows=rows, numbers=frozenset({2, 3}))
    yield Section(
        title="Errors",
        text=[
            "Every failed row is in _errors/ with its reason; the folder can be the next input.",
            "`explain OUTPUT ID` tells all of one row.",
        ],
        parts=[failed_rows],
    )
