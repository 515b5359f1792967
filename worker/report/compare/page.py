"""`diff`: two runs' difference as text, and as a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from worker import __version__
from worker.report.compare.numbers import DiffNumbers, EntryNumbers
from worker.report.compare.rank_biased import P
from worker.report.pages.format import count, number, share, when
from worker.report.pages.page import Chart, Figure, Page, Section, Series, Table
from worker.report.run.quality import FALLBACK
from worker.runtime.text import table

_CHANGES_IN_TEXT = 5
_MEANING = (
    "Rows are paired by their IDs; where an ID comes several times, in their order. Overlap@k is "
    "how many of the first k entries the two lists have in common, of k or of the longer list, if "
    "that is shorter. The rank-biased overlap (RBO of Webber, Moffat and Zobel, 2010, with p = "
    f"{P:g}, extrapolated) counts the first places most, and their order: it is 100 % for the same "
    "list, 0 % for lists that share nothing, and the first ten places make 86 % of it. Jaccard is "
    "the entries in common, of all different entries of the two whole lists. The rank change is by "
    "how many places an entry that is in both lists went up or down. All are means over the rows "
    "in both runs, without those whose lists are both empty; the rank change, without those that "
    "have nothing in common."
)


def show_diff(numbers: DiffNumbers) -> str:
    """Return the difference as text."""
    lines = [(label, text) for label, text in (*_rows(numbers), *_alike(numbers), *_turns(numbers))]
    items = numbers.items
    for label, changed in (("gained", items.gains), ("lost", items.losses)):
        listed = [
            f"{entry.id} {entry.change:+,} ({entry.old:,} to {entry.new:,})"
            for entry in changed[:_CHANGES_IN_TEXT]
        ]
        lines.append((f"most rows {label}", "; ".join(listed) or "none"))
    return table(lines)


def _rows(numbers: DiffNumbers) -> Iterator[tuple[str, str]]:
    rows = numbers.rows
    yield "rows", f"{rows.old:,} old, {rows.new:,} new"
    yield (
        "in both",
        f"{rows.both:,}; {rows.only_old:,} only old, {rows.only_new:,} only new",
    )


def _alike(numbers: DiffNumbers) -> Iterator[tuple[str, str]]:
    for depth, value in numbers.overlap.items():
        yield f"overlap@{depth}", _share(value)
    yield "rank-biased", _share(numbers.rank_biased_overlap)
    yield "Jaccard", _share(numbers.jaccard)
    yield "same list", _share(numbers.same_list_share)
    yield "same first", _share(numbers.same_first_share)
    change = numbers.rank_change_mean
    yield (
        "rank change",
        "none in common"
        if change is None
        else f"{number(change)} places up or down, of entries in both lists",
    )


def _turns(numbers: DiffNumbers) -> Iterator[tuple[str, str]]:
    kinds = (("empty lists", numbers.empty), ("popular fallback", numbers.fallback))
    for label, rows in kinds:
        turned = f"{rows.became:,} rows became so, {rows.no_longer:,} no longer are"
        yield label, f"{rows.old:,} old, {rows.new:,} new; {turned}"
    items = numbers.items
    only = f"{items.only_old:,} only old, {items.only_new:,} only new"
    yield "different items", f"{items.old:,} old, {items.new:,} new; {only}"


def _share(value: float | None) -> str:
    return "nothing to compare" if value is None else share(value)


def diff_page(numbers: DiffNumbers, old: str, new: str, now: datetime) -> Page:
    """Return the page that compares the runs in the folders `old` and `new`."""
    rows, overlap = numbers.rows, numbers.overlap["10"]
    same = (
        "no row is in both runs"
        if overlap is None
        else (f"of a row's first 10, {share(overlap)} are the same")
    )
    return Page(
        title="Two runs compared",
        subtitle=f"Old: {old}. New: {new}.",
        tone="plain" if rows.both else "warning",
        verdict=same[0].upper() + same[1:],
        reasons=[f"{label}: {text}".capitalize() for label, text in _rows(numbers)],
        figures=[_figure(label, text) for label, text in _alike(numbers)],
        sections=[
            Section(title="How alike", parts=_alike_parts(numbers)),
            Section(title="Items in and out", parts=list(_changes(numbers.items))),
            Section(title="How these numbers are made", text=[_MEANING, FALLBACK]),
        ],
        footer=f"Written by personalize-worker {__version__} at {when(now)} from both runs' files.",
    )


def _figure(label: str, text: str) -> Figure:
    value, places, _ = text.partition(" places")
    return Figure(label=label, value=value, note=places.strip())


def _alike_parts(numbers: DiffNumbers) -> list[Chart | Table]:
    tenths = numbers.overlap_10_in_tenths
    listed = [*_rows(numbers), *_alike(numbers), *_turns(numbers)]
    return [
        Chart(
            label="Rows by overlap@10, in tenths",
            x=[n * 10 for n in range(len(tenths))],
            x_kind="linear",
            x_label="overlap@10, %",
            y_label="rows",
            series=[Series(label="rows", values=tenths, kind="bars", color="blue")],
        ),
        Table(caption="All numbers", head=("measure", "value"), rows=listed),
    ]


def _changes(items: EntryNumbers) -> Iterator[Table]:
    kinds = (("Gained the most rows", items.gains), ("Lost the most rows", items.losses))
    for caption, changed in kinds:
        rows = [
            (entry.id, count(entry.old), count(entry.new), f"{entry.change:+,}")
            for entry in changed
        ]
        yield Table(
            caption=caption if rows else f"{caption}: none",
            head=("ID", "old rows", "new rows", "change"),
            rows=rows,
            numbers=frozenset({1, 2, 3}),
        )
