"""What a report page is made of, whatever it reports on. Texts are plain; html.py escapes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Tone = Literal["good", "warning", "bad", "plain"]
# How a chart's x axis is read: running time in seconds; 1 / (1 - quantile), logarithmic; a plain
# logarithm; the exponent of a power of two; or as it is.
XKind = Literal["elapsed", "quantile", "log", "octave", "linear"]
SeriesKind = Literal["line", "area", "bars", "dashed"]
Color = Literal["blue", "orange", "teal", "red", "violet", "gray"]


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, area or row of bars; None is a gap."""

    label: str
    values: Sequence[float | None]
    kind: SeriesKind = "line"
    color: Color = "blue"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Series over common x values, which rise."""

    label: str  # what a screen reader says instead
    x: Sequence[float]
    x_kind: XKind
    x_label: str
    y_label: str
    series: Sequence[Series]
    y_log: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text; `numbers` are the columns that are set flush right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading, sentences, and charts with their tables."""

    title: str
    text: Sequence[str] = ()
    parts: Sequence[Chart | Table] = ()  # a chart and the table after it stand side by side


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that counts, large."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report."""

    title: str
    subtitle: str
    tone: Tone
    verdict: str
    reasons: Sequence[str]
    figures: Sequence[Figure]
    sections: Sequence[Section]
    footer: str
