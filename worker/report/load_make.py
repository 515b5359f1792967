"""A load test's folder -> its report, as HTML."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.report.html import render
from worker.report.load_page import load_page
from worker.report.load_source import open_load_test
from worker.store import LocalStore


def load_report(store: LocalStore) -> str:
    """Return the page of the load test in `store`, ended or not. Raises like `open_load_test`."""
    return render(load_page(open_load_test(store), datetime.now(UTC)))
