"""A load test's files, whole or not -> its page."""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.made_loadtests import CODES, make_loadtest
from support.pages import HOSTILE, Reader, charts_of
from support.places import path_of

from worker.errors import InputError
from worker.loadtest.measure import Interval
from worker.loadtest.search import Found
from worker.report.loadtest.points import points
from worker.report.make import make_report
from worker.store.local import LocalStore

BYTES_MAX = 2_000_000
TIMELINE = "_loadtest_timeline.jsonl"
SEARCH = {"tps_max": 200, "p99_ms_max": 200}
FOUND = Found(held_tps=60, at_once_tps=40, failed_tps=80)


def page_of(store: LocalStore) -> str:
    return Path(make_report(store)).read_text()


def rows_of(page: str, caption: str) -> list[list[str]]:
    """Return the cells of the first table under a caption that begins so."""
    found = re.search(rf"<caption>{re.escape(caption)}.*?<tbody>(.*?)</tbody>", page)
    assert found, caption
    rows = re.findall("<tr>(.*?)</tr>", found[1])
    return [[html.unescape(cell) for cell in re.findall("<td[^>]*>(.*?)</td>", r)] for r in rows]


@pytest.mark.parametrize(
    ("made", "tone", "says"),
    [
        ({"thresholds": ["p99_ms < 250", "tps > 1"]}, "good", ["Passed", "All 2 thresholds hold."]),
        ({}, "good", ["Passed", "No threshold was set"]),
        (
            {"thresholds": ["p99_ms < 1"]}, "bad",
            ["Load test failed", "p99_ms &lt; 1 does not hold: it is ", "What to do: lower"],
        ),
        ({"invalid": ["the test: 9% late"]}, "warning", ["Not valid", "the test: 9% late."]),
        ({"state": "stopped"}, "warning", ["Stopped before the end", "SIGTERM."]),
        ({"state": "running"}, "warning", ["Not finished", "no verdict", "15.0s of 15.0s"]),
        (
            {"state": "aborted"},
            "warning",
            ["Not finished", "as this ended the test: the disk is full.", "15.0s of 15.0s"],
        ),
    ],
)  # fmt: skip
def test_the_verdict_comes_first_with_its_reasons(
    made: dict[str, Any], tone: str, says: list[str], tmp_path: Path
) -> None:
    page = page_of(make_loadtest(tmp_path, **made))
    verdict = page.split(f'<section class="verdict {tone}">')[1].split("</section>")[0]
    assert all(text in verdict for text in says)


def test_a_page_has_every_number_of_the_test(tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, [(40, 5), (200, 10)], thresholds=["throttle_share < 0.01"],
                         trouble_share=0.1)  # fmt: skip
    result = json.loads(path_of(made, "_loadtest.json").read_text())
    page = page_of(made)
    ((text, verdict, seen),) = rows_of(page, "What must hold")
    share = result["thresholds"][0]["value"]
    assert (text, verdict, seen) == ("throttle_share < 0.01", "BROKEN", f"{share:.2%}"[:-1] + " %")
    stages = rows_of(page, "By stage")
    assert [row[:5] for row in stages] == [
        ["1 of 2", "40", "5.0s", "200", "40"], ["2 of 2", "200", "10.0s", "2,000", "200"],
    ]  # fmt: skip
    assert ["loadtest.stages.1.tps", "200.0"] in rows_of(page, "Config of")
    by_percentile = rows_of(page, "Of ")
    p99 = f"{result['total']['latency_ms']['from_due']['p99']:.4g}"
    assert next(row for row in by_percentile if row[0] == "99 %")[1] == p99


def test_charts_hold_the_timeline(tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, [(40, 5), (200, 10)], trouble_share=0.1)
    lines = [json.loads(line) for line in path_of(made, TIMELINE).read_text().splitlines()]
    columns = {name: [line[name] for line in lines] for name in lines[0]}
    charts = charts_of(page_of(made))
    x, sent, _, asked_for = charts["Calls per second that were asked for and made, over time"][
        "data"
    ]
    assert x == [0, *columns["at_s"]]
    assert sent[1:] == columns["sent"]
    assert asked_for[1:] == columns["target_tps"]
    latency = charts["Latency from due, over time"]["data"]
    assert latency[2][1:] == pytest.approx(columns["p99_ms"], rel=1e-4)
    failures = charts["Throttled and failed calls per second, over time"]
    labels = [series["label"] for series in failures["series"]]
    assert labels[0] == "throttled"
    assert labels[-1] == "other codes"
    assert set(labels[1:-1]) < set(CODES)
    assert failures["data"][1][1:] == columns["throttles"]
    by_second = [sum(values) for values in zip(*failures["data"][2:], strict=True)]
    assert by_second[1:] == columns["errors"]
    both = charts["Latency by percentile"]
    assert [series["label"] for series in both["series"]] == ["from due", "from sent"]
    assert both["xKind"] == "quantile"
    due, sent = both["data"][1:]
    assert all(late >= left for late, left in zip(due, sent, strict=True))
    assert sum(due) > sum(sent)


def test_a_search_says_what_is_held_how_sure_that_is_and_what_it_costs(tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, [(20, 5), (80, 5), (60, 15)], search=SEARCH, found=FOUND,
                         thresholds=["p99_ms < 250"])  # fmt: skip
    page = page_of(made)
    assert "60 calls/s are held." in page
    found = dict(rows_of(page, "Search"))
    assert found["held"] == "60 calls/s"
    assert found["held at once, before the service could scale out"] == "40 calls/s"
    assert found["lowest rate that was not held"] == "80 calls/s"
    assert found["confirmed by"] == "900 calls in 15.0s"
    assert found["recommended minProvisionedTPS"].startswith("60,")
    assert found["its cost a month"].startswith("$8,767")
    assert [row[-1] for row in rows_of(page, "By stage")] == ["held", "not held", "held"]
    assert "Of the successful calls of the confirmation at 60 calls/s." in page
    assert "Of 900 answers" in page


def test_a_search_that_held_nothing_has_a_page(tmp_path: Path) -> None:
    nothing = Found(held_tps=None, at_once_tps=None, failed_tps=20)
    page = page_of(make_loadtest(tmp_path, [(20, 5)], search=SEARCH, found=nothing))
    assert "no rate was held." in page
    assert dict(rows_of(page, "Search"))["held"] == "none"
    assert "Of the successful calls of the whole test." in page


@pytest.mark.parametrize("left", [None, b"", b'{"at_s": 1.0, "sec'])
def test_a_test_that_was_killed_at_once_has_no_timeline(left: bytes | None, tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, state="running")
    path_of(made, TIMELINE).unlink()
    if left is not None:
        path_of(made, TIMELINE).write_bytes(left)
    page = page_of(made)
    for text in ("Not finished", "still running, or was killed", "It has no timeline", "Config of"):
        assert text in page
    assert "data-chart" not in page


def test_a_killed_test_is_shown_up_to_its_last_whole_line(tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, [(40, 5), (200, 10)], state="running", trouble_share=0.1)
    lines = path_of(made, TIMELINE).read_bytes().splitlines(keepends=True)
    path_of(made, TIMELINE).write_bytes(b"".join(lines[:12]) + lines[12][:-1])
    page = page_of(made)
    assert "It has got as far as 12.0s of 15.0s" in page
    charts = charts_of(page)
    for label in (
        "Latency from due, over time",
        "Throttled and failed calls per second, over time",
    ):
        assert charts[label]["data"][0][-1] == 12.0
    throttles, calls = 5 * 20, 5 * 40 + 7 * 200
    figures = Reader(page.split('<section class="verdict')[0] + page).text
    for text in (f"{calls:,}", f"{throttles} calls", "Throttled", "Failed otherwise"):
        assert text in figures


@pytest.mark.parametrize(
    ("content", "what"),
    [("", "is damaged"), ("[]", "is damaged"), ('{"format": 1}', "is damaged"), (None, "format 9")],
)
def test_a_result_that_cannot_be_read_is_advice(
    content: str | None, what: str, tmp_path: Path
) -> None:
    made = make_loadtest(tmp_path)
    path = path_of(made, "_loadtest.json")
    if content is None:
        content = json.dumps({**json.loads(path.read_text()), "format": 9})
    path.write_text(content)
    with pytest.raises(InputError, match=what):
        make_report(made)


def test_nothing_in_the_files_becomes_markup(tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, trouble_share=0.1)
    tame = Reader(page_of(made))
    for name in ("_loadtest.json", TIMELINE):
        text = path_of(made, name).read_text()
        for old in (*CODES, "users.parquet"):
            text = text.replace(f'"{old}"', json.dumps(f"{HOSTILE}{old}"))
        path_of(made, name).write_text(text)
    hostile = Reader(page_of(made))
    assert [name for name, _ in hostile.elements] == [name for name, _ in tame.elements]
    assert hostile.text.count("onerror=alert(1)") > len(CODES)


def test_a_test_without_a_success_has_a_page(tmp_path: Path) -> None:
    page = page_of(make_loadtest(tmp_path, [(10, 4)], trouble_share=1.0))
    assert "Throttled" in page


def test_the_page_of_an_hour_at_2500_calls_a_second_is_small(tmp_path: Path) -> None:
    made = make_loadtest(tmp_path, [(2500, 3600)], trouble_share=0.02)
    page = page_of(made)
    assert len(page.encode()) < BYTES_MAX
    assert all(len(chart["data"][0]) < 1500 for chart in charts_of(page).values())


INTERVALS = st.lists(
    st.builds(
        Interval, at_s=st.just(0.0), seconds=st.floats(0.001, 3), stage=st.just(0),
        target_tps=st.floats(0, 100), sent=st.integers(0, 100), successes=st.integers(0, 100),
        throttles=st.integers(0, 9), errors=st.just(1), errors_by_code=st.just({"A": 1}),
        missed=st.integers(0, 9), in_flight=st.integers(0, 9),
        p50_ms=st.none() | st.floats(1, 9), p99_ms=st.none() | st.floats(1, 9),
        max_ms=st.none() | st.floats(1, 9), late_ms_max=st.none() | st.floats(0, 9),
        loop_lag_ms_max=st.floats(0, 9), cpu_share=st.floats(0, 1),
    ),
    min_size=1,
    max_size=60,
)  # fmt: skip


@given(INTERVALS, st.integers(1, 20))
def test_points_lose_no_call_and_are_few(drawn: list[Interval], most: int) -> None:
    at_s, intervals = 0.0, []
    for each in drawn:
        at_s += each.seconds
        intervals.append(each._replace(at_s=at_s))
    made = points(intervals, most)
    assert 1 <= len(made) <= most + 1
    for name in ("seconds", "sent", "successes", "throttles", "missed"):
        whole = sum(getattr(each, name) for each in intervals)
        assert sum(getattr(each, name) for each in made) == pytest.approx(whole)
    assert sum((each.errors for each in made), Counter[str]()) == {"A": len(intervals)}
    for name in ("p99_ms", "max_ms", "late_ms_max", "loop_lag_ms_max", "cpu_share", "in_flight"):
        values = [getattr(each, name) for each in intervals if getattr(each, name) is not None]
        seen = [getattr(each, name) for each in made if getattr(each, name) is not None]
        assert max(seen, default=None) == max(values, default=None)
    moments = [each.at_s for each in made]
    assert moments == sorted(set(moments))
    assert moments[-1] == at_s
