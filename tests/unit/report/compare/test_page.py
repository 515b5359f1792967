"""Two made runs' files -> their difference."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.made_runs import Row, make_run
from support.pages import Reader

from worker.errors import ConfigError
from worker.report.compare.compare import DEPTHS, compare
from worker.report.compare.numbers import Turns, diff_numbers
from worker.report.compare.page import diff_page, show_diff
from worker.report.pages.html import render
from worker.runtime.records import as_json

POPULAR = ("p1", "p2", "p3")


def rank_biased(a: list[str], b: list[str], p: float = 0.9) -> float:
    """Return RBO_EXT as Webber, Moffat and Zobel write it, equation 32."""
    short, long = sorted((a, b), key=len)
    few, many = len(short), len(long)
    if not few:
        return 0.0
    agree = [len(set(short[:d]) & set(long[:d])) for d in range(many + 1)]
    seen = sum(agree[d] / d * p**d for d in range(1, many + 1))
    beyond = sum(agree[few] * (d - few) / (few * d) * p**d for d in range(few + 1, many + 1))
    tail = ((agree[many] - agree[few]) / many + agree[few] / few) * p**many
    return (1 - p) / p * (seen + beyond) + tail


def oracle(old: list[Row], new: list[Row]) -> dict[str, Any]:
    """Compare two runs the plain way."""
    waiting = defaultdict[str | None, list[Row]](list)
    for row in old:
        waiting[row.user].append(row)
    pairs = [(waiting[row.user].pop(0), row) for row in new if waiting[row.user]]
    lists = [(list(a.items), list(b.items)) for a, b in pairs if a.items or b.items]
    moves = []
    for a, b in lists:
        if common := set(a) & set(b):
            moves.append(sum(abs(a.index(i) - b.index(i)) for i in common) / len(common))

    def mean(values: list[float]) -> Any:
        return pytest.approx(sum(values) / len(values)) if values else None

    return {
        "both": len(pairs),
        "compared": len(lists),
        "overlap": {
            str(k): mean(
                [len(set(a[:k]) & set(b[:k])) / min(k, max(len(a), len(b))) for a, b in lists]
            )
            for k in DEPTHS
        },
        "rank_biased_overlap": mean([rank_biased(a, b) for a, b in lists]),
        "jaccard": mean([len(set(a) & set(b)) / len(set(a) | set(b)) for a, b in lists]),
        "same_list_share": mean([float(a == b) for a, b in lists]),
        "same_first_share": mean([float(a[:1] == b[:1]) for a, b in lists]),
        "rank_change_mean": mean(moves),
        "became": sum(bool(a.items) and not b.items for a, b in pairs),
        "no_longer": sum(not a.items and bool(b.items) for a, b in pairs),
    }


some_rows = st.lists(
    st.tuples(
        st.sampled_from(["u1", "u2", "u3", "u4", None]),
        st.lists(st.sampled_from([f"i{n}" for n in range(12)]), unique=True, max_size=12),
    ).map(lambda row: Row(*row)),
    max_size=8,
)


@settings(max_examples=30)
@given(some_rows, some_rows, st.sampled_from(["nested", "exploded"]), st.sampled_from([5, 1000]))
def test_a_difference_is_what_a_plain_comparison_finds(
    tmp_path_factory: pytest.TempPathFactory, old: list[Row], new: list[Row], layout: str, room: int
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    runs = make_run(folder / "a", [old[:3], old[3:]]), make_run(folder / "b", [new], layout=layout)
    found = as_json(diff_numbers(compare(*runs, entries_per_bucket=room)))
    expected = oracle(old, new)
    assert found["rows"] == {
        "old": len(old), "new": len(new), "both": expected["both"],
        "only_old": len(old) - expected["both"], "only_new": len(new) - expected["both"],
        "compared": expected["compared"],
    }  # fmt: skip
    for name in ("overlap", "rank_biased_overlap", "jaccard", "same_list_share", "same_first_share",
                 "rank_change_mean"):  # fmt: skip
        assert found[name] == expected[name], name
    assert sum(found["overlap_10_in_tenths"]) == expected["compared"]
    for name in ("became", "no_longer"):
        assert found["empty"][name] == expected[name]
    before, after = (
        {i: sum(i in r.items for r in rows) for i in {i for r in rows for i in r.items}}
        for rows in (old, new)
    )
    gains = {e["id"]: e["change"] for e in found["items"]["gains"]}
    assert gains == {i: n - before.get(i, 0) for i, n in after.items() if n > before.get(i, 0)}
    assert (found["items"]["only_new"], found["items"]["only_old"]) == (
        len(after.keys() - before),
        len(before.keys() - after),
    )


@pytest.mark.parametrize(
    ("a", "b", "least", "most"),
    [
        ("abcdefghij", "abcdefghij", 1.0, 1.0),
        ("abcdefghij", "klmnopqrst", 0.0, 0.0),
        ("abcdefghij", "bacdefghij", 0.85, 0.95),  # the first two change places
        ("abcdefghij", "abcdefghji", 0.99, 0.999),  # the last two do
        ("abc", "abcdefghij", 1.0, 1.0),  # as far as the shorter one tells
    ],
)
def test_rank_biased_overlap_is_about_the_first_places(
    a: str, b: str, least: float, most: float, tmp_path: Path
) -> None:
    runs = (
        make_run(tmp_path / name, [[Row("u", list(items))]]) for name, items in (("a", a), ("b", b))
    )
    found = diff_numbers(compare(*runs)).rank_biased_overlap
    assert found is not None
    assert least - 1e-9 <= found <= most + 1e-9


def test_a_difference_tells_who_became_fallback(tmp_path: Path) -> None:
    own = [Row(f"u{n}", [f"i{n}", "x", "y"]) for n in range(15)]
    ghosts = [Row(f"u{n}", POPULAR) for n in range(5, 15)]
    runs = make_run(tmp_path / "a", [own]), make_run(tmp_path / "b", [own[:5] + ghosts])
    numbers = diff_numbers(compare(*runs))
    assert numbers.fallback == Turns(old=0, new=10, became=10, no_longer=0)
    back = diff_numbers(compare(*reversed(runs)))
    assert back.fallback == Turns(old=10, new=0, became=0, no_longer=10)
    assert "10 rows became so" in show_diff(numbers)
    page = Reader(render(diff_page(numbers, "a", "b", datetime.now(UTC))))
    assert "p1" in page.text
    json.dumps(as_json(numbers))


def test_runs_of_other_kinds_do_not_compare(tmp_path: Path) -> None:
    actions = {"operation": "GetActionRecommendations"}
    runs = make_run(tmp_path / "a", []), make_run(tmp_path / "b", [], target=actions)
    with pytest.raises(ConfigError, match=re.escape("items by user_id, the new one of actions")):
        compare(*runs)
