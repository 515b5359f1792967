"""A made run's files -> its numbers, its pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_runs import Failed, Row, make_run
from support.pages import HOSTILE, Reader

from worker.config.model import Quality
from worker.errors import ConflictError
from worker.output.summary import QualityNumbers
from worker.report.make import make_report
from worker.report.measure.measure import examples, measure
from worker.report.measure.numbers import quality_numbers
from worker.report.measure.origins import OTHERS, WORDS_MAX, Origins
from worker.report.pages.markup import Markup, tag
from worker.report.run.gates import judge, quality_error

LAYOUTS = pytest.mark.parametrize("layout", ["nested", "exploded"])
POPULAR = ("p1", "p2", "p3")


def mixed() -> list[list[Row | Failed]]:
    """Return 31 rows in three parts: 20 fallback, 2 empty, 3 short, 4 their own, 2 failed."""
    own = [Row(f"own{n}", [f"i{n}", "p1", "p2"], [0.5, 0.25, None], at_s=n) for n in range(4)]
    short = [Row(f"short{n}", [f"s{n}"], [1.0]) for n in range(3)]
    popular = [Row(f"ghost{n}", POPULAR) for n in range(20)]
    failed = [Failed("bad"), Failed(None, "InvalidRow", "no user", None, attempts=0)]
    return [
        [*own, *popular[:7], failed[0]],
        [Row("e1"), *popular[7:], *short],
        [failed[1], Row("e2")],
    ]


@LAYOUTS
def test_quality_is_what_the_rows_say_in_either_layout(layout: str, tmp_path: Path) -> None:
    files = make_run(tmp_path, mixed(), layout=layout, request={"num_results": 3})
    measures = measure(files)
    numbers = quality_numbers(measures)
    expected = {"empty_rows": 2, "short_rows": 5, "fallback_rows": 20, "distinct_items": 10,
                "shared_lists": 1, "empty_share": 2 / 29, "fallback_share": 20 / 29}  # fmt: skip
    assert asdict(numbers).items() >= expected.items()
    assert measures.total.lengths == {0: 2, 1: 3, 3: 24}
    assert (measures.total.scores.missing, measures.total.scores.bins.total()) == (64, 11)
    (example,) = examples(files, measures.shared, entries_max=2)
    assert (example.rows, example.who, example.entries, example.has_more) == (
        20, "ghost0", ("p1", "p2"), True,
    )  # fmt: skip


@LAYOUTS
def test_promotions_and_reasons_are_counted_where_there_are_any(
    layout: str, tmp_path: Path
) -> None:
    promoted, explored = ["Promoted item"], ["Exploration"]
    rows = [
        *(Row(f"own{n}", ["a", "b", "c"]) for n in range(3)),  # a row group without any
        Row("u1", ["a", "b", "c", "d"], None, promotions=[None, "spring", None, "spring"],
            reasons=[None, promoted, explored, [*promoted, *explored]]),
        Row("u2", ["a", "b"], None, promotions=["<summer>", None], reasons=[[], None]),
        Row("u3"),
    ]  # fmt: skip
    files = make_run(tmp_path, [rows[:4], rows[4:]], layout=layout)
    found = measure(files).total.origins
    assert found.promotions == {"spring": 2, "<summer>": 1}
    assert found.reasons == {"Promoted item": 2, "Exploration": 2}
    assert found.with_reason == 3
    page = Path(make_report(files.store)).read_text()
    for label, count, share in (
        ("promotion spring", 2, "13.3 %"), ("promotion &lt;summer&gt;", 1, "6.67 %"),
        ("reason: Exploration", 2, "13.3 %"), ("without a reason", 12, "80.0 %"),
    ):  # fmt: skip
        assert f'<td>{label}</td><td class="number">{count}</td>' in page
        assert share in page


def test_a_run_without_promotions_and_reasons_says_nothing_of_them(tmp_path: Path) -> None:
    page = Path(make_report(make_run(tmp_path, mixed()).store)).read_text()
    assert "Promotions and reasons" not in page


@given(st.lists(st.text(max_size=2), max_size=400), st.integers(0, 400))
def test_words_without_end_are_counted_within_bounds(words: list[str], cut: int) -> None:
    whole = Origins()
    for part in (words[:cut], words[cut:]):
        some = Origins()
        some.add_entries(pa.array(part, pa.string()), None)
        whole.add(some)
    assert whole.promotions.total() == len(words)
    assert len(whole.promotions) <= WORDS_MAX
    if len(set(words) | {OTHERS}) <= WORDS_MAX:
        assert whole.promotions == Counter(words)


def test_rows_ask_for_what_their_column_says_if_the_output_has_it(tmp_path: Path) -> None:
    columns = {"num_results": "N"}
    files = make_run(tmp_path, mixed(), input={"columns": {"user_id": "USER_ID", **columns}})
    assert quality_numbers(measure(files)).short_share is None


def test_short_lists_are_not_judged_as_fallback(tmp_path: Path) -> None:
    files = make_run(tmp_path, [[Row(f"u{n}", ["a", "b"]) for n in range(30)]])
    assert quality_numbers(measure(files)).fallback_share is None


def test_one_users_many_equal_rows_are_no_fallback(tmp_path: Path) -> None:
    files = make_run(tmp_path, [[Row("u", POPULAR) for _ in range(30)]])
    assert quality_numbers(measure(files)).fallback_share == 0


@pytest.mark.parametrize(
    ("gates", "broken"),
    [
        ({"empty_share_max": 0.1, "short_share_max": 0.2}, []),
        ({"empty_share_max": 0.09}, ["empty_share_max"]),
        ({"fallback_share_max": 0.3, "distinct_items_min": 7}, []),
        (
            {"fallback_share_max": 0.29, "distinct_items_min": 8},
            ["fallback_share_max", "distinct_items_min"],
        ),
        ({"overlap_with_previous_min": 0.0}, ["overlap_with_previous_min"]),
    ],
)
def test_a_gate_passes_up_to_its_limit_and_never_on_the_unknown(
    gates: dict[str, Any], broken: list[str]
) -> None:
    numbers = QualityNumbers(
        empty_rows=1, empty_share=0.1, short_rows=2, short_share=0.2, fallback_rows=3,
        fallback_share=0.3, shared_lists=1, distinct_items=7, top_10_share=1.0, top_100_share=1.0,
        gini=0.0, overlap_with_previous=None,
    )  # fmt: skip
    judged = judge(Quality.model_validate(gates), numbers)
    assert [gate.gate for gate in judged if not gate.passed] == broken
    if broken:
        error = quality_error([gate for gate in judged if not gate.passed], "out")
        assert all(name in error.what for name in broken)
        assert "run again" in error.hint


def page_of(files: Any) -> str:
    return Path(make_report(files.store)).read_text()


def test_text_in_a_page_is_only_ever_text(tmp_path: Path) -> None:
    rows = [Row(f"{HOSTILE}{n}", [HOSTILE, "b", "c"], [0.1, 0.2, 0.3]) for n in range(12)]
    hostile = make_run(tmp_path / "a", [[*rows, Failed(HOSTILE, HOSTILE, HOSTILE)]])
    tame = make_run(
        tmp_path / "b",
        [[Row(f"u{n}", ["a", "b", "c"], [0.1, 0.2, 0.3]) for n in range(12)] + [Failed("x")]],
    )
    pages = [Reader(page_of(files)) for files in (hostile, tame)]
    names = [[name for name, _ in page.elements] for page in pages]
    assert names[0] == names[1]
    assert "onerror=alert(1)" in pages[0].text


def test_attributes_are_escaped_and_markup_is_not_escaped_twice() -> None:
    inner = tag("b", "<&>")
    assert inner == "<b>&lt;&amp;&gt;</b>"
    assert tag("p", inner, None, ["x", [inner]], title='"><x', class_="a") == (
        f'<p title="&quot;&gt;&lt;x" class="a">{inner}x{inner}</p>'
    )
    assert isinstance(inner, Markup)


def test_a_page_asks_nobody_for_anything_and_allows_no_foreign_script(tmp_path: Path) -> None:
    html = page_of(make_run(tmp_path, mixed()))
    page = Reader(html)
    for name, attributes in page.elements:
        assert not {"src", "href", "style", "onclick", "onload"} & set(attributes), name
    (policy,) = [a["content"] for n, a in page.elements if "Content-Security-Policy" in a.values()]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize(
    ("parts", "expected", "says"),
    [
        (mixed(), 5, "Not finished: 3 of 5 parts"),
        (mixed(), 3, "Only _SUCCESS is missing"),
        ([], 2, "Not finished: 0 of 2 parts"),
        ([[Failed("a")]], 1, "InternalFailure"),
        ([[Row("a")]], 1, "without items"),
        ([[Row("a", ["x"], attempts=0)]], 1, "What was produced"),
    ],
)
def test_any_run_has_a_report(
    parts: list[list[Row | Failed]], expected: int, says: str, tmp_path: Path
) -> None:
    assert says in Reader(page_of(make_run(tmp_path, parts, parts_expected=expected))).text


def test_a_report_names_failed_rows_by_code_with_examples(tmp_path: Path) -> None:
    text = Reader(page_of(make_run(tmp_path, mixed()))).text
    for wanted in ("InvalidRow", "no user", "(null)", "InternalFailure", "bad", "500"):
        assert wanted in text


def test_a_damaged_part_is_an_error_that_names_it(tmp_path: Path) -> None:
    files = make_run(tmp_path, mixed())
    (tmp_path / "part-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConflictError, match="part-00001"):
        make_report(files.store)
