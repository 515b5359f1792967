"""A real Chromium, headless: the system's own, driven by Playwright. None is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
_MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
ADVICE = (
    f"no browser found ({', '.join(NAMES)}): install one (on Debian: apt install chromium), "
    "or name it in the environment: CHROMIUM=/path/to/it"
)


def browser_path() -> str:
    """Return where a browser is. Without one the test is skipped, or fails if one is required."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, (*NAMES, _MAC))), None)
    if found:
        return found
    if os.environ.get("BROWSER_REQUIRED"):
        pytest.fail(ADVICE)
    pytest.skip(ADVICE)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start the browser; end it with the context."""
    path = browser_path()
    # Chromium's own sandbox does not start as root, as in CI's containers; the pages are ours.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()
