"""The end of a run: its sum, what its results are like, the gates, the report, then `_SUCCESS`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from worker.config.model import Config
from worker.errors import ConfigError
from worker.job import Job
from worker.output.run_folder import QUALITY_FAILED_NAME, REPORT_NAME, SUCCESS_NAME
from worker.output.summary import QualityNumbers, QualityResult, Summary, summarize
from worker.report.compare.compare import check_comparable, compare
from worker.report.make import run_report
from worker.report.measure.measure import Measures, measure
from worker.report.measure.numbers import quality_numbers
from worker.report.run.gates import judge
from worker.report.source import RunEnd, RunFiles, open_run
from worker.runtime import log
from worker.runtime.housekeeping import Housekeeping
from worker.runtime.records import json_bytes
from worker.store.base import Store
from worker.store.open import is_same_place, open_store


def finish(job: Job, store: Store, summary: Summary | None, housekeeping: Housekeeping) -> Summary:
    """Sum up a run all of whose chunks are committed; return what `_SUCCESS` says.

    `summary` is that of a `_SUCCESS` that is there already. It stays, unless the gates are others
    than it was held against.

    When a gate of [quality] does not pass, `_QUALITY_FAILED` says it instead, and there is no
    `_SUCCESS`: who waits for that must not take these results. No report is no reason to fail.
    Blocking.
    """
    if summary and (summary.quality.config if summary.quality else {}) == _gates(job.config):
        return summary
    summary = summarize(
        store,
        job.source.chunks,
        run_id=job.run_id,
        per_1000_usd=job.config.price.per_1000_usd,
        error_share_max=job.config.stop.error_share_max,
    )
    if not summary.rows_read:
        log.warning("no rows", where=job.config.input.where)
    store.clear_spools()
    with _no_harm("quality and report", unless=bool(_gates(job.config))):
        files = open_run(store)
        measures, numbers = _quality(files, job.config, housekeeping)
        gates = judge(job.config.quality, numbers)
        quality = QualityResult(**asdict(numbers), gates=gates, config=_gates(job.config))
        summary = replace(summary, quality=quality)
        with _no_harm("report"):
            end = RunEnd(
                within_tolerance=summary.within_tolerance,
                gates=gates,
                overlap_with_previous=numbers.overlap_with_previous,
            )
            store.write(REPORT_NAME, run_report(files, measures, numbers, end).encode())
    name, other = SUCCESS_NAME, QUALITY_FAILED_NAME
    if summary.broken_gates:
        name, other = other, name
    store.remove(other)
    store.write(name, json_bytes(summary))
    return summary


def check_previous(config: Config) -> None:
    """Raise ConfigError, before any call, when `quality.previous` cannot be compared with."""
    previous = config.quality.previous
    if previous is None:
        return
    if is_same_place(previous, config.output.path):
        raise ConfigError(
            f"quality.previous is this run's own output: {previous}",
            hint="name the output.path of the run before it",
        )
    check_comparable(open_run(open_store(previous)).config, config)


def _quality(
    files: RunFiles, config: Config, housekeeping: Housekeeping
) -> tuple[Measures, QualityNumbers]:
    # One part at a time, and what the run has left free: no more memory at its end than before.
    housekeeping.between_parts()
    measures, overlap = measure(files, workers=1, housekeeping=housekeeping), None
    if previous := config.quality.previous:
        before = open_run(open_store(previous))
        found = compare(before, files, workers=1, housekeeping=housekeeping)
        overlap = found.overlap(10)
    return measures, quality_numbers(measures, overlap)


def _gates(config: Config) -> dict[str, Any]:
    return config.quality.model_dump(exclude_none=True)


@contextmanager
def _no_harm(what: str, *, unless: bool = False) -> Iterator[None]:
    """Let nothing that goes wrong cost a run that is paid for, `unless` it is needed."""
    try:
        yield
    except Exception as error:
        if unless:
            raise
        log.warning(f"no {what}", reason=f"{type(error).__name__}: {error}")
