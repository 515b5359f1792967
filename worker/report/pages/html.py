"""A page -> one HTML file: no request leaves it, and no script runs but the two that it brings."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Any

import orjson

from worker.report.pages.markup import Markup, tag
from worker.report.pages.page import Chart, Figure, Page, Section, Table

_NARROW_COLUMNS = 5  # of a table that need not be as wide as the page
_SIGNIFICANT = 5  # digits of a chart's numbers
_TONES = {"good": "\N{CHECK MARK}", "warning": "!", "bad": "\N{MULTIPLICATION SIGN}", "plain": "i"}
_TONE_NAMES = {"good": "Good", "warning": "Warning", "bad": "Failed", "plain": "Information"}


def render(page: Page) -> str:
    """Return the page as HTML."""
    charts: list[Chart] = []
    body = [
        tag(
            "header",
            tag("h1", page.title),
            tag("p", page.subtitle, class_="subtitle"),
        ),
        tag(
            "main",
            tag(
                "section",
                tag("span", _TONES[page.tone], class_="mark", aria_hidden="true"),
                tag(
                    "div",
                    tag(
                        "h2",
                        tag("span", f"{_TONE_NAMES[page.tone]}: ", class_="unseen"),
                        page.verdict,
                    ),
                    [tag("p", reason) for reason in page.reasons],
                ),
                class_=f"verdict {page.tone}",
            ),
            tag("dl", [_figure(figure) for figure in page.figures], class_="figures"),
            [_section(section, charts) for section in page.sections],
        ),
        tag("footer", tag("p", page.footer)),
    ]
    data = tag(
        "script", _json([_data(chart) for chart in charts]), type="application/json", id="charts"
    )
    scripts = [_asset("uPlot.iife.min.js"), _asset("report.js")] if charts else []
    styles = [_asset("uPlot.min.css"), _asset("report.css")]
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(scripts, styles)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", page.title),
        [tag("style", style) for style in styles],
    ]
    html = tag(
        "html",
        tag("head", head),
        tag("body", body, data, [tag("script", script) for script in scripts]),
        lang="en",
    )
    return f"<!doctype html>\n{html}\n"


def _policy(scripts: Sequence[str], styles: Sequence[str]) -> str:
    """Return a Content-Security-Policy that allows these texts and nothing from anywhere."""
    parts = ["default-src 'none'", "base-uri 'none'", "form-action 'none'"]
    for name, texts in (("script-src", scripts), ("style-src", styles)):
        digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in texts)
        allowed = " ".join(f"'sha256-{digest.decode()}'" for digest in digests) or "'none'"
        parts.append(f"{name} {allowed}")
    return "; ".join(parts)


def _figure(figure: Figure) -> Markup:
    note = tag("dd", figure.note, class_="note") if figure.note else None
    value = tag("dd", figure.value, class_="value")
    return tag("div", tag("dt", figure.label), value, note, class_=f"figure {figure.tone}")


def _section(section: Section, charts: list[Chart]) -> Markup:
    name = _name(section.title)
    return tag(
        "section",
        tag("h2", section.title, id=name),
        [tag("p", text) for text in section.text],
        [_row(parts, charts) for parts in _paired(section.parts)],
        aria_labelledby=name,
    )


def _paired(parts: Sequence[Chart | Table]) -> Iterator[list[Chart | Table]]:
    """Yield each chart with what follows it, other tables alone."""
    row: list[Chart | Table] = []
    for part in parts:
        if row and (len(row) == 2 or isinstance(row[0], Table)):
            yield row
            row = []
        row.append(part)
    if row:
        yield row


def _row(parts: list[Chart | Table], charts: list[Chart]) -> Markup:
    return tag("div", [_part(part, charts) for part in parts], class_="row")


def _part(part: Chart | Table, charts: list[Chart]) -> Markup:
    if isinstance(part, Table):
        return _table(part)
    charts.append(part)
    plot = tag(
        "div", class_="plot", data_chart=str(len(charts) - 1), role="img", aria_label=part.label
    )
    return tag("figure", tag("figcaption", part.label), plot)


def _table(table: Table) -> Markup:
    def cells(kind: str, texts: Sequence[str], **attributes: str) -> list[Markup]:
        return [
            tag(kind, text, class_="number" if n in table.numbers else None, **attributes)
            for n, text in enumerate(texts)
        ]

    return tag(
        "div",
        tag(
            "table",
            tag("caption", table.caption),
            tag("thead", tag("tr", cells("th", table.head, scope="col"))),
            tag("tbody", [tag("tr", cells("td", row)) for row in table.rows]),
        ),
        class_="scroll narrow" if len(table.head) <= _NARROW_COLUMNS else "scroll",
        tabindex="0",
        role="region",
        aria_label=table.caption,
    )


def _data(chart: Chart) -> dict[str, Any]:
    """Return a chart as report.js takes it."""
    columns = [chart.x, *(series.values for series in chart.series)]
    return {
        "xKind": chart.x_kind,
        "xLabel": chart.x_label,
        "yLabel": chart.y_label,
        "yLog": chart.y_log,
        "series": [
            {"label": series.label, "kind": series.kind, "color": series.color}
            for series in chart.series
        ],
        "data": [
            [None if value is None else _short(value) for value in column] for column in columns
        ],
    }


def _short(value: float) -> float | int:
    """Return a number with few digits: the file stays small."""
    rounded = float(f"{value:.{_SIGNIFICANT}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _json(values: Any) -> Markup:
    """Return JSON that cannot end its element, whatever text is in it."""
    return Markup(orjson.dumps(values).decode().replace("<", "\\u003c"))


def _asset(name: str) -> Markup:
    folder = resources.files("worker.report.pages") / "assets"
    return Markup((folder / name).read_text(encoding="utf-8").strip())


def _name(title: str) -> str:
    return "-".join("".join(char if char.isalnum() else " " for char in title.lower()).split())
