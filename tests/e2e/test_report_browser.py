"""Report pages in a real browser: charts drawn, nothing asked for, both themes, a phone's width."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest
from e2e.browser import running_browser
from playwright.sync_api import Browser, Page, ViewportSize
from support.made_loadtests import make_loadtest
from support.made_runs import Failed, Row, make_run

from worker.loadtest.search import Found
from worker.report.compare.compare import compare
from worker.report.compare.numbers import diff_numbers
from worker.report.compare.page import diff_page
from worker.report.make import make_report
from worker.report.pages.html import render

WIDTHS = (360, 1280)
CHARTS = {"run": 7, "none": 0, "diff": 1, "load": 6, "search": 6, "killed": 4}
# How many of a canvas's pixels are not transparent.
INKED = """canvas => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let inked = 0;
    for (let n = 3; n < data.length; n += 4) inked += data[n] > 0;
    return inked / (data.length / 4);
}"""
# Headline figures whose text is wider than their card.
CUT_OFF = """() => [...document.querySelectorAll(".figure")]
    .filter(card => card.scrollWidth > card.clientWidth).map(card => card.textContent)"""
COLORS = """() => {
    const style = getComputedStyle(document.body);
    return [style.backgroundColor, style.color];
}"""
# Text and ground of everything that holds text, where both are known.
CONTRASTS = """() => {
    const parse = text => text.match(/[0-9.]+/g).map(Number);
    const light = ([r, g, b]) => {
        const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const [x, y, z] = [r, g, b].map(v => linear(v / 255));
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = element => {
        for (; element; element = element.parentElement) {
            const color = parse(getComputedStyle(element).backgroundColor);
            if (color.length < 4 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const found = [];
    const texts = "h1, h2, p, dt, dd, th, td, caption, figcaption, .mark";
    for (const element of document.querySelectorAll(texts)) {
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) found.push(`${element.tagName} ${element.textContent}: ${ratio}`);
    }
    return found;
}"""


@dataclass
class Seen:
    """What a page did."""

    page: Page
    complaints: list[str] = field(default_factory=list)  # console lines and uncaught errors
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write pages: of runs and load tests with everything in them and nothing; a difference."""
    folder = tmp_path_factory.mktemp("reports")
    rows = [
        Row(
            f"user-{n}",
            [f"item-{n % 40}-{place}" for place in range(3 + n % 9)],
            [0.9 / (place + 1) for place in range(3 + n % 9)],
            at_s=n * 0.05,
            latency_ms=15 + (n * 7919 % 200),
            attempts=1 + (n % 50 == 0),
        )
        for n in range(2000)
    ]
    ghosts = [Row(f"ghost-{n}", ["p1", "p2", "p3"], at_s=100 + n * 0.1) for n in range(200)]
    failed = [
        Failed(f"bad-{n}", "ThrottlingException", "Rate exceeded", 429, at_s=50 + n)
        for n in range(9)
    ]
    run = make_run(folder / "run", [rows[:1000], rows[1000:], [*ghosts, *failed]], group_rows=500)
    none = make_run(folder / "none", [], parts_expected=1)
    page = diff_page(diff_numbers(compare(none, run)), "old", "new", datetime.now(UTC))
    (folder / "diff.html").write_text(render(page))
    load = make_loadtest(
        folder / "load", [(50, 20), (400, 30)], thresholds=["p99_ms < 1"], trouble_share=0.1
    )
    search = make_loadtest(
        folder / "search", [(20, 10), (80, 10), (60, 30)], search={"tps_max": 200},
        found=Found(held_tps=60, at_once_tps=55, failed_tps=80), thresholds=["p99_ms < 250"],
        trouble_share=0.05,
    )  # fmt: skip
    killed = make_loadtest(folder / "killed", state="running")
    return {
        "load": Path(make_report(load)),
        "search": Path(make_report(search)),
        "killed": Path(make_report(killed)),
        "run": Path(make_report(run.store)),
        "none": Path(make_report(none.store)),
        "diff": folder / "diff.html",
    }


def opened(
    browser: Browser, path: Path, width: int = 1280, scheme: Literal["light", "dark"] = "light"
) -> Seen:
    page = browser.new_page(viewport=ViewportSize(width=width, height=900), color_scheme=scheme)
    seen = Seen(page)
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.on("request", lambda request: seen.requests.append(request.url))
    page.goto(path.as_uri())
    return seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", list(CHARTS))
def test_a_page_is_whole_in_every_width_and_theme(
    name: str,
    width: int,
    scheme: Literal["light", "dark"],
    browser: Browser,
    reports: dict[str, Path],
) -> None:
    seen = opened(browser, reports[name], width, scheme)
    assert seen.complaints == []
    assert seen.requests == [reports[name].as_uri()]
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    assert seen.page.evaluate(CUT_OFF) == []
    canvases = seen.page.query_selector_all(".plot canvas")
    assert len(canvases) == CHARTS[name]
    for canvas in canvases:
        assert 0.01 < canvas.evaluate(INKED) < 0.9
    assert seen.page.evaluate(CONTRASTS) == []
    seen.page.close()


def test_the_themes_differ_and_a_page_follows_a_change(
    browser: Browser, reports: dict[str, Path]
) -> None:
    seen = opened(browser, reports["run"])
    light = seen.page.evaluate(COLORS)
    before = seen.page.query_selector_all(".plot canvas")
    seen.page.emulate_media(color_scheme="dark")
    dark = seen.page.evaluate(COLORS)
    assert light != dark
    seen.page.wait_for_function("old => !old.isConnected", arg=before[0])  # drawn anew
    assert len(seen.page.query_selector_all(".plot canvas")) == len(before)
    assert seen.complaints == []
    seen.page.close()


def test_charts_follow_the_width_of_the_window(browser: Browser, reports: dict[str, Path]) -> None:
    seen = opened(browser, reports["run"], width=1280)
    seen.page.set_viewport_size(ViewportSize(width=360, height=900))
    seen.page.wait_for_function(
        "() => [...document.querySelectorAll('.uplot')].every(plot => plot.offsetWidth < 360)"
    )
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    seen.page.close()


def test_a_chart_tells_its_values_under_the_pointer(
    browser: Browser, reports: dict[str, Path]
) -> None:
    seen = opened(browser, reports["run"])
    plot = seen.page.locator(".plot").first
    plot.locator(".u-over").hover()
    values = plot.locator(".u-legend .u-value").all_inner_texts()
    assert all(any(char.isdigit() for char in value) for value in values)
    seen.page.close()


@pytest.mark.parametrize("name", ["run", "load", "search"])
def test_a_page_prints_on_light_paper_with_its_charts(
    name: str, browser: Browser, reports: dict[str, Path]
) -> None:
    seen = opened(browser, reports[name], scheme="dark")
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate(COLORS)[0] == "rgb(255, 255, 255)"
    assert len(seen.page.pdf(format="A4")) > 20_000
    assert seen.complaints == []
    seen.page.close()


@pytest.mark.parametrize("name", ["run", "load", "search"])
def test_every_chart_has_a_name_and_numbers_in_a_table(
    name: str, browser: Browser, reports: dict[str, Path]
) -> None:
    seen = opened(browser, reports[name])
    for plot in seen.page.query_selector_all(".plot"):
        assert plot.get_attribute("aria-label")
        assert plot.evaluate("plot => !!plot.closest('section').querySelector('table')")
    heads = seen.page.eval_on_selector_all("th", "all => all.map(th => th.scope)")
    assert set(heads) <= {"col", ""}  # "": the chart library's legends
    seen.page.close()
