"""What a run produced: lists, items, scores, as charts with their tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from worker.config.rules import LISTS_ALIKE_BY_CHANCE
from worker.output.summary import QualityNumbers
from worker.report.measure.counts import Concentration
from worker.report.measure.measure import Example, Measures
from worker.report.measure.numbers import TOPS, spread
from worker.report.measure.origins import Origins
from worker.report.measure.shared_lists import ROWS_MIN, SHARE_MIN
from worker.report.pages.format import NONE, count, number, share
from worker.report.pages.page import Chart, Section, Series, Table
from worker.report.source import RunFiles

ENTRIES_SHOWN = 25
_SCORE_QUANTILES = (0.01, 0.1, 0.5, 0.9, 0.99)

FALLBACK = (
    "Popular fallback: an unknown user or item is no error to the service. It answers with popular "
    "items, and bills the call. The answer does not say so, but its list is the same for all of "
    "them. So a result counts as fallback when its list, the same entries in the same order, is "
    f"also that of others: {ROWS_MIN} results or more, and {SHARE_MIN:.2%} of all or more, of more "
    f"than one user. Lists of fewer than {LISTS_ALIKE_BY_CHANCE} entries are not judged. Short "
    "lists from a small catalogue can be alike by chance, and a recipe that does not personalize "
    "gives all users the same list; then this says nothing. Fallback that differs, by filter "
    "values or context, counts when its own list is shared by so many."
)
DEFINITIONS = (
    FALLBACK,
    "A list is short when it has fewer entries than its row asked for, empty lists included.",
    (
        "Gini says how evenly the recommendations are spread over the items that were recommended "
        "at all: 0 is each as often as the others, near 1 is a few being nearly everything. Items "
        "never recommended are not known here, and not counted."
    ),
    (
        "Over time, a result and all its attempts stand where its answered attempt left, a failed "
        "row where it failed. Latencies there are within 2 %, those by percentile within 1 %. "
        "Scores are the service's own, comparable within a recipe only."
    ),
)


ORIGINS = (
    "Promotions and reasons are what the service says of a recommendation. "
    "User-Personalization-v2 gives reasons: Promoted item; Exploration; and Popular item, which "
    "fills up a list for which the filter left too few."
)


def sections(
    files: RunFiles, measures: Measures, numbers: QualityNumbers, examples: Sequence[Example]
) -> Iterator[Section]:
    """Yield the sections on what was produced; none for a run without a result."""
    if not measures.total.results:
        return
    noun = files.shape.column
    lengths = [_lengths(measures, noun)] if len(measures.total.lengths) > 1 else []
    items = spread(measures)
    origins = list(_origins(measures.total.origins, items.entries, noun))
    yield Section(
        title="What was produced",
        text=[ORIGINS] if origins else [],
        parts=[
            *lengths,
            _quality(measures, numbers, noun),
            *origins,
            *_shared(measures, examples, noun),
        ],
    )
    if items.distinct:
        parts = [_curve(items, noun), _spread(items, noun), *_scores(measures, noun)]
        yield Section(title=noun.capitalize(), parts=[*parts, _top(measures, items, noun)])


def _lengths(measures: Measures, noun: str) -> Chart:
    lengths = measures.total.lengths
    x = range(min(lengths), max(lengths) + 1)
    results = Series(label="results", values=[lengths[n] for n in x], kind="bars", color="violet")
    return Chart(
        label=f"Results by their number of {noun}",
        x=list(x),
        x_kind="linear",
        x_label=noun,
        y_label="results",
        series=[results],
    )


def _quality(measures: Measures, numbers: QualityNumbers, noun: str) -> Table:
    def row(label: str, rows: int | None, part: float | None) -> tuple[str, str, str]:
        return (
            label,
            "unknown" if rows is None else count(rows),
            "" if part is None else share(part),
        )

    rows = [
        ("all", count(measures.total.results), ""),
        row(f"without {noun}", numbers.empty_rows, numbers.empty_share),
        row("with fewer than asked for", numbers.short_rows, numbers.short_share),
        row("with a popular fallback list", numbers.fallback_rows, numbers.fallback_share),
    ]
    if (overlap := numbers.overlap_with_previous) is not None:
        rows.append(("overlap with the previous run, first 10", "", share(overlap)))
    return Table(
        caption="Results", head=("results", "rows", "share"), rows=rows, numbers=frozenset({1, 2})
    )


def _origins(origins: Origins, entries: int, noun: str) -> Iterator[Table]:
    """Yield a table of promotions and reasons, if the service gave any."""
    given = [(f"promotion {name}", rows) for name, rows in origins.promotions.most_common()]
    given += [(f"reason: {reason}", rows) for reason, rows in origins.reasons.most_common()]
    if origins.reasons:
        given.append(("without a reason", entries - origins.with_reason))
    if given:
        yield Table(
            caption="Promotions and reasons",
            head=("recommendations", noun, "share"),
            rows=[(label, count(rows), share(rows / entries)) for label, rows in given],
            numbers=frozenset({1, 2}),
        )


def _shared(measures: Measures, examples: Sequence[Example], noun: str) -> Iterator[Table]:
    if examples:
        rows = [
            (
                count(example.rows),
                share(example.rows / measures.total.results),
                example.who,
                ", ".join(example.entries) + (" ..." if example.has_more else ""),
            )
            for example in examples
        ]
        shown = f"the {len(rows)} most frequent of {count(len(measures.shared))}"
        yield Table(
            caption=f"Lists that many share: {shown}",
            head=("results", "share", "for example", f"first {noun}"),
            rows=rows,
            numbers=frozenset({0, 1}),
        )


def _curve(items: Concentration, noun: str) -> Chart:
    values = [part * 100 for _, part in items.curve]
    return Chart(
        label=f"Share of all recommendations that the most frequent {noun} have",
        x=[n for n, _ in items.curve],
        x_kind="log",
        x_label=f"most frequent {noun}",
        y_label="%",
        series=[Series(label="share %", values=values, kind="area", color="teal")],
    )


def _spread(items: Concentration, noun: str) -> Table:
    rows = [
        ("recommendations", count(items.entries)),
        (f"different {noun}", count(items.distinct)),
        *((f"the {top} most frequent have", share(items.top_shares[top])) for top in TOPS),
        ("Gini", NONE if items.gini is None else f"{items.gini:.3f}"),
    ]
    return Table(
        caption="Concentration", head=("measure", "value"), rows=rows, numbers=frozenset({1})
    )


def _scores(measures: Measures, noun: str) -> Iterator[Chart | Table]:
    scores = measures.total.scores
    octaves = scores.octaves()
    if not octaves:
        return
    yield Chart(
        label=f"{noun.capitalize()} by score, from each power of two to the next",
        x=[n for n, _ in octaves],
        x_kind="octave",
        x_label="score, from",
        y_label=noun,
        series=[
            Series(label=noun, values=[rows for _, rows in octaves], kind="bars", color="blue")
        ],
    )
    values = zip(_SCORE_QUANTILES, scores.quantiles(_SCORE_QUANTILES), strict=True)
    rows = [
        *((f"{quantile:.0%} are at most", number(value)) for quantile, value in values),
        ("without a score", count(scores.missing)),
    ]
    yield Table(caption="Scores", head=("of all", "score"), rows=rows, numbers=frozenset({1}))


def _top(measures: Measures, items: Concentration, noun: str) -> Table:
    table = measures.total.entries.table()
    most = table.sort_by([("rows", "descending"), ("id", "ascending")])[:ENTRIES_SHOWN].to_pylist()
    rows = [
        (
            str(place),
            entry["id"],
            count(entry["rows"]),
            share(entry["rows"] / measures.total.results),
            share(entry["rows"] / items.entries),
        )
        for place, entry in enumerate(most, 1)
    ]
    return Table(
        caption=f"The {len(rows)} most frequent of {count(items.distinct)} {noun}",
        head=("", "ID", "results", "share of results", "share of recommendations"),
        rows=rows,
        numbers=frozenset({0, 2, 3, 4}),
    )
