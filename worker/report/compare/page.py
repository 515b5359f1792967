"""`diff`: two runs' difference as numbers, as text, and as a page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from worker import __version__
from worker.report.compare.compare import DEPTHS, Comparison, Side, came_and_went, changes
from worker.report.compare.rank_biased import P
from worker.report.pages.format import count, number, share, when
from worker.report.pages.page import Chart, Figure, Page, Section, Series, Table
from worker.report.run.quality import FALLBACK
from worker.runtime.text import table

CHANGES_SHOWN = 20
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


def diff_numbers(found: Comparison) -> dict[str, Any]:
    """Return the difference as it is printed with --json. None is a mean of nothing."""

    def mean(total: float, rows: int) -> float | None:
        return total / rows if rows else None

    came, went = came_and_went(found)
    gains, losses = changes(found, CHANGES_SHOWN)
    return {
        "rows": {
            "old": found.old.rows,
            "new": found.new.rows,
            "both": found.both,
            "only_old": found.old.rows - found.both,
            "only_new": found.new.rows - found.both,
            "compared": found.compared,
        },
        "overlap": {str(depth): found.overlap(depth) for depth in DEPTHS},
        "overlap_10_in_tenths": found.tenths,
        "rank_biased_overlap": mean(found.rank_biased_sum, found.compared),
        "jaccard": mean(found.jaccard_sum, found.compared),
        "same_list_share": mean(found.same_list, found.compared),
        "same_first_share": mean(found.same_first, found.compared),
        "rank_change_mean": mean(found.moved_sum, found.moved),
        "empty": _turned(found, "empty"),
        "fallback": _turned(found, "fallback"),
        "items": {
            "old": found.old.entries.table().num_rows,
            "new": found.new.entries.table().num_rows,
            "only_old": went,
            "only_new": came,
            "gains": gains,
            "losses": losses,
        },
    }


def _turned(found: Comparison, name: str) -> dict[str, int]:
    def rows(side: Side) -> int:
        return int(getattr(side, name))

    return {
        "old": rows(found.old),
        "new": rows(found.new),
        "became": getattr(found, f"became_{name}"),
        "no_longer": getattr(found, f"no_longer_{name}"),
    }


def show_diff(numbers: Mapping[str, Any]) -> str:
    """Return the difference as text."""
    lines = [(label, text) for label, text in (*_rows(numbers), *_alike(numbers), *_turns(numbers))]
    items = numbers["items"]
    for label, name in (("gained", "gains"), ("lost", "losses")):
        listed = [
            f"{entry['id']} {entry['change']:+,} ({entry['old']:,} to {entry['new']:,})"
            for entry in items[name][:_CHANGES_IN_TEXT]
        ]
        lines.append((f"most rows {label}", "; ".join(listed) or "none"))
    return table(lines)


def _rows(numbers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    rows = numbers["rows"]
    yield "rows", f"{rows['old']:,} old, {rows['new']:,} new"
    yield (
        "in both",
        f"{rows['both']:,}; {rows['only_old']:,} only old, {rows['only_new']:,} only new",
    )


def _alike(numbers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for depth, value in numbers["overlap"].items():
        yield f"overlap@{depth}", _share(value)
    yield "rank-biased", _share(numbers["rank_biased_overlap"])
    yield "Jaccard", _share(numbers["jaccard"])
    yield "same list", _share(numbers["same_list_share"])
    yield "same first", _share(numbers["same_first_share"])
    change = numbers["rank_change_mean"]
    yield (
        "rank change",
        "none in common"
        if change is None
        else f"{number(change)} places up or down, of entries in both lists",
    )


def _turns(numbers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, label in (("empty", "empty lists"), ("fallback", "popular fallback")):
        rows = numbers[name]
        turned = f"{rows['became']:,} rows became so, {rows['no_longer']:,} no longer are"
        yield label, f"{rows['old']:,} old, {rows['new']:,} new; {turned}"
    items = numbers["items"]
    only = f"{items['only_old']:,} only old, {items['only_new']:,} only new"
    yield "different items", f"{items['old']:,} old, {items['new']:,} new; {only}"


def _share(value: float | None) -> str:
    return "nothing to compare" if value is None else share(value)


def diff_page(numbers: Mapping[str, Any], old: str, new: str, now: datetime) -> Page:
    """Return the page that compares the runs in the folders `old` and `new`."""
    rows, overlap = numbers["rows"], numbers["overlap"]["10"]
    same = (
        "no row is in both runs"
        if overlap is None
        else (f"of a row's first 10, {share(overlap)} are the same")
    )
    return Page(
        title="Two runs compared",
        subtitle=f"Old: {old}. New: {new}.",
        tone="plain" if rows["both"] else "warning",
        verdict=same[0].upper() + same[1:],
        reasons=[f"{label}: {text}".capitalize() for label, text in _rows(numbers)],
        figures=[_figure(label, text) for label, text in _alike(numbers)],
        sections=[
            Section(title="How alike", parts=_alike_parts(numbers)),
            Section(title="Items in and out", parts=list(_changes(numbers["items"]))),
            Section(title="How these numbers are made", text=[_MEANING, FALLBACK]),
        ],
        footer=f"Written by personalize-worker {__version__} at {when(now)} from both runs' files.",
    )


def _figure(label: str, text: str) -> Figure:
    value, places, _ = text.partition(" places")
    return Figure(label=label, value=value, note=places.strip())


def _alike_parts(numbers: Mapping[str, Any]) -> list[Chart | Table]:
    tenths = numbers["overlap_10_in_tenths"]
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


def _changes(items: Mapping[str, Any]) -> Iterator[Table]:
    for name, caption in (("gains", "Gained the most rows"), ("losses", "Lost the most rows")):
        rows = [
            (entry["id"], count(entry["old"]), count(entry["new"]), f"{entry['change']:+,}")
            for entry in items[name]
        ]
        yield Table(
            caption=caption if rows else f"{caption}: none",
            head=("ID", "old rows", "new rows", "change"),
            rows=rows,
            numbers=frozenset({1, 2, 3}),
        )
