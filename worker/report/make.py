"""`report` and `diff`: output folders' files -> pages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from worker.errors import OutputError
from worker.output.run_folder import REPORT_NAME
from worker.report.compare.compare import compare
from worker.report.compare.page import diff_numbers, diff_page
from worker.report.loadtest.make import load_report
from worker.report.loadtest.source import holds_load_test
from worker.report.measure.measure import Measures, examples, measure
from worker.report.measure.numbers import quality_numbers
from worker.report.pages.html import render
from worker.report.run.page import Run, run_page
from worker.report.source import RunFiles, open_run
from worker.store.local import LocalStore

_LISTS_SHOWN = 5
_ENTRIES_SHOWN = 8


def make_report(store: LocalStore) -> Path:
    """Write the report of the run or load test in `store`, ended or not; return where it is.

    Raises ConfigError when there is neither, ConflictError or InputError when its files cannot be
    read, OutputError when the report cannot be written. Another process may be writing there.
    """
    if holds_load_test(store):
        return write_page(store.path(REPORT_NAME), load_report(store))
    files = open_run(store)
    end = files.read_end()
    measures = measure(files)
    known = (end or {}).get("quality") or {}
    numbers = quality_numbers(measures, known.get("overlap_with_previous"))
    return write_page(store.path(REPORT_NAME), run_report(files, measures, numbers, end))


def run_report(
    files: RunFiles, measures: Measures, numbers: Mapping[str, Any], end: Mapping[str, Any] | None
) -> str:
    """Return the page of a run that has been measured; `end` is what `_SUCCESS` says, or will."""
    shown = examples(files, measures.shared[:_LISTS_SHOWN], entries_max=_ENTRIES_SHOWN)
    run = Run(files=files, measures=measures, numbers=numbers, end=end, examples=shown)
    return render(run_page(run, datetime.now(UTC)))


def make_diff(old: LocalStore, new: LocalStore, *, html: Path | None) -> dict[str, Any]:
    """Return the difference between two runs, and write it to `html` as a page, if asked for.

    Raises like `compare`, and OutputError when the page cannot be written.
    """
    numbers = diff_numbers(compare(open_run(old), open_run(new)))
    if html is not None:
        page = diff_page(numbers, str(old.root), str(new.root), datetime.now(UTC))
        write_page(html, render(page))
    return numbers


def write_page(path: Path, html: str) -> Path:
    """Write a page whole or not at all, and return its path. It needs no lock."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(html, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="check the folder, its permissions and the free space",
        ) from None
    finally:
        with suppress(OSError):  # it is there only if writing or renaming it failed
            temporary.unlink(missing_ok=True)
    return path
