"""`report` and `diff`: output folders' files -> pages."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.output.run_folder import REPORT_NAME
from worker.output.summary import QualityNumbers
from worker.report.compare.compare import compare
from worker.report.compare.numbers import DiffNumbers, diff_numbers
from worker.report.compare.page import diff_page
from worker.report.loadtest.make import load_report
from worker.report.loadtest.source import holds_load_test
from worker.report.measure.measure import Measures, examples, measure
from worker.report.measure.numbers import quality_numbers
from worker.report.pages.html import render
from worker.report.run.page import Run, run_page
from worker.report.source import RunEnd, RunFiles, open_run
from worker.runtime.housekeeping import Housekeeping
from worker.store.base import Store
from worker.store.open import write_page

_LISTS_SHOWN = 5
_ENTRIES_SHOWN = 8


def make_report(store: Store, housekeeping: Housekeeping | None = None) -> str:
    """Write the report of the run or load test in `store`, ended or not; return where it is.

    Raises ConfigError when there is neither, ConflictError or InputError when its files cannot be
    read, OutputError when the report cannot be written. Another process may be writing there.
    """
    if holds_load_test(store):
        store.replace(REPORT_NAME, load_report(store).encode())
        return store.shown(REPORT_NAME)
    files = open_run(store)
    end = files.read_end()
    measures = measure(files, housekeeping=housekeeping)
    numbers = quality_numbers(measures, end.overlap_with_previous if end else None)
    store.replace(REPORT_NAME, run_report(files, measures, numbers, end).encode())
    return store.shown(REPORT_NAME)


def run_report(
    files: RunFiles, measures: Measures, numbers: QualityNumbers, end: RunEnd | None
) -> str:
    """Return the page of a run that has been measured; `end` is None where it is not finished."""
    shown = examples(files, measures.shared[:_LISTS_SHOWN], entries_max=_ENTRIES_SHOWN)
    run = Run(files=files, measures=measures, numbers=numbers, end=end, examples=shown)
    return render(run_page(run, datetime.now(UTC)))


def make_diff(
    old: Store, new: Store, *, html: str | None, housekeeping: Housekeeping | None = None
) -> DiffNumbers:
    """Return the difference between two runs, and write it to `html` as a page, if asked for.

    Raises like `compare`, and OutputError when the page cannot be written.
    """
    numbers = diff_numbers(compare(open_run(old), open_run(new), housekeeping=housekeeping))
    if html is not None:
        page = diff_page(numbers, old.place, new.place, datetime.now(UTC))
        write_page(html, render(page))
    return numbers
