"""A load test's folder -> its report, as HTML."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.report.loadtest.page import load_page
from worker.report.loadtest.source import open_load_test
from worker.report.pages.html import render
from worker.store.base import Store


def load_report(store: Store) -> str:
    """Return the page of the load test in `store`, ended or not. Raises like `open_load_test`."""
    return render(load_page(open_load_test(store), datetime.now(UTC)))
