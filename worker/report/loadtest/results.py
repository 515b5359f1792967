"""What a load test came to: thresholds, the search, stages, latencies by percentile. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from worker.loadtest.search import Phase
from worker.report.loadtest.check import (
    EndedTest,
    Figures,
    Searched,
    SearchLimits,
    StageFigures,
)
from worker.report.pages.format import NONE, count, number, share
from worker.report.pages.page import Section, Table
from worker.report.pages.percentiles import Curve, percentile_chart, percentile_table
from worker.runtime.histogram import decoded
from worker.runtime.text import duration


def judged(result: EndedTest) -> tuple[Figures, str]:
    """Return the measures that the verdict is about, and what they are of.

    Of a search these are the confirmation's: it also made calls beyond what is held.
    """
    held_tps = result.search.held_tps if result.search else None
    if held_tps is not None:
        for stage in reversed(result.stages):
            if (stage.phase, stage.to_tps, stage.held) == (
                Phase.CONFIRM, held_tps, True,
            ):  # fmt: skip
                return stage, f"the confirmation at {_rate(held_tps)}"
    return result.total, "the whole test"


def sections(result: EndedTest) -> Iterator[Section]:
    """Yield the sections on an ended test that come before its timeline."""
    if result.search is not None and result.loadtest.search is not None:
        yield _search(result.search, result.loadtest.search)
    if result.thresholds:
        yield _thresholds(result)
    yield _stages(result)


def latency_section(result: EndedTest) -> Iterator[Section]:
    """Yield the latencies of successful calls by percentile, if there are any."""
    measures, what = judged(result)
    due, sent = map(decoded, (measures.hdr_us.from_due, measures.hdr_us.from_sent))
    if not due.get_total_count():
        return
    curves = [Curve("from due", due), Curve("from sent", sent, "orange", "dashed")]
    yield Section(
        title="Latency by percentile",
        text=[
            f"Of the successful calls of {what}.",
            "From due, time that a call waited in this client counts, too; from sent, it does not.",
        ],
        parts=[percentile_chart(curves), percentile_table(curves)],
    )


def _thresholds(result: EndedTest) -> Section:
    rows = [
        (each.text, "kept" if each.holds else "BROKEN", _shown(each.metric, each.value))
        for each in result.thresholds
    ]
    table = Table(
        caption="What must hold", head=("threshold", "verdict", "seen"), rows=rows,
        numbers=frozenset({2}),
    )  # fmt: skip
    _, what = judged(result)
    text = f"Held against {what}; latencies are of successful calls, from when they were due."
    return Section(title="Thresholds", text=[text], parts=[table])


def _shown(metric: str, value: float | None) -> str:
    if value is None:
        return "not known"
    if metric.endswith("_share"):
        return share(value)
    return f"{number(value)} ms" if metric.endswith("_ms") else _rate(value)


def _search(found: Searched, settings: SearchLimits) -> Section:
    limits = [
        f"p99 from due at most {number(settings.p99_ms_max)} ms"
        if settings.p99_ms_max is not None
        else "",
        f"at most {share(settings.throttle_share_max)} throttled",
        f"at most {share(settings.error_share_max)} failed otherwise",
    ]
    return Section(
        title="The rate that is held",
        text=[f"Held means: {', '.join(filter(None, limits))}."],
        parts=[Table(caption="Search", head=("what", "found"), rows=list(_found(found)))],
    )


def _found(search: Searched) -> Iterator[tuple[str, str]]:
    held, failed = search.held_tps, search.failed_tps
    yield "held", _rate(held)
    yield "held at once, before the service could scale out", _rate(search.at_once_tps)
    yield "lowest rate that was not held", _rate(failed) if failed else "none up to tps_max"
    if sure := search.confidence:
        low, high = (NONE if value is None else number(value) for value in sure.p99_ms)
        yield "confirmed by", f"{count(sure.samples)} calls in {duration(sure.seconds)}"
        yield "p99, 95 % sure", f"{low} to {high} ms"
        shares = (("throttled", sure.throttle_share), ("failed otherwise", sure.error_share))
        for label, bounds in shares:
            yield f"{label}, 95 % sure", " to ".join(map(share, bounds))
    if recommended := search.min_provisioned_tps_recommended:
        yield "recommended minProvisionedTPS", f"{count(recommended)}, which holds at any moment"
    if (usd := search.month_usd_estimate) is not None:
        yield "its cost a month", f"${usd:,.0f}, an estimate without volume discounts"


def _stages(result: EndedTest) -> Section:
    stages = [stage for stage in result.stages if stage.name != "warm-up"]
    is_search = result.search is not None
    head = ("stage", "asked for", "time", "calls", "calls/s", "p50 ms", "p99 ms", "throttled",
            "failed", "late or never", *(["held"] if is_search else []))  # fmt: skip
    rows = [(*_stage(stage), *([_HELD[stage.held]] if is_search else [])) for stage in stages]
    text = ["Latencies are of successful calls, from when they were due."]
    if is_search:
        text.append("The first tenth of each step is not judged, and not in this table.")
    return Section(
        title="Stages",
        text=text,
        parts=[
            Table(caption="By stage", head=head, rows=rows, numbers=frozenset(range(1, 10))),
        ],
    )


_HELD = {None: "not judged", True: "held", False: "not held"}


def _stage(stage: StageFigures) -> tuple[str, ...]:
    latency, (first, last) = stage.latency_ms.from_due, (stage.from_tps, stage.to_tps)
    asked_for = number(last) if first == last else f"{number(first)} to {number(last)}"
    return (
        stage.name,
        asked_for,
        duration(stage.seconds),
        count(stage.calls),
        _number(stage.tps),
        _number(latency.p50),
        _number(latency.p99),
        share(stage.throttle_share),
        share(stage.error_share),
        share(stage.off_schedule_share),
    )


def _rate(value: float | None) -> str:
    return NONE if value is None else f"{number(value)} calls/s"


def _number(value: float | None) -> str:
    return NONE if value is None else number(value)
