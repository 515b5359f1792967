"""Load tests whose files hold what no load test writes: advice that names file and field."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.made_loadtests import make_loadtest
from unit.report.damage import damaged

from worker.errors import InputError
from worker.loadtest.search import Found
from worker.report.make import make_report
from worker.store.local import LocalStore

RESULT, TIMELINE = "_loadtest.json", "_loadtest_timeline.jsonl"


def read(folder: Path) -> dict[str, Any]:
    """Return a load test's files as values, by name."""
    lines = (folder / TIMELINE).read_text().splitlines()
    result = json.loads((folder / RESULT).read_text())
    return {RESULT: result, TIMELINE: [json.loads(line) for line in lines]}


def write(folder: Path, files: dict[str, Any]) -> LocalStore:
    """Write values as a load test's files."""
    (folder / RESULT).write_text(json.dumps(files[RESULT]))
    lines = "".join(f"{json.dumps(line)}\n" for line in files[TIMELINE])
    (folder / TIMELINE).write_text(lines)
    return LocalStore(folder)


def made(state: str, *, is_search: bool = False) -> dict[str, Any]:
    search = {"tps_max": 200, "p99_ms_max": 200} if is_search else None
    found = Found(held_tps=60, at_once_tps=40, failed_tps=80) if is_search else None
    with tempfile.TemporaryDirectory() as folder:
        make_loadtest(Path(folder), [(40, 2), (60, 3)], state=state, search=search, found=found,
                      thresholds=["p99_ms < 250"], trouble_share=0.1)  # fmt: skip
        return read(Path(folder))


MADE = [made("finished"), made("running"), made("finished", is_search=True), made("aborted")]


@given(st.data())
@settings(max_examples=150)
def test_whatever_a_file_holds_is_a_page_or_advice(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(MADE) - 1))
    (name, *steps), files = damaged(data, MADE[number])
    with tempfile.TemporaryDirectory() as folder:
        store, page, what = write(Path(folder), files), "", ""
        try:
            page = Path(make_report(store)).read_text()
        except InputError as error:
            what = error.what
    if page:
        charts = page.split('id="charts">')[1].split("</script>")[0]
        json.loads(charts, parse_constant=pytest.fail)
    else:
        assert what.startswith(f"{folder}/{name} ")
        named = [f"line {step + 1}" if isinstance(step, int) else step for step in steps]
        assert "is not JSON" in what or any(step in what for step in named)


@pytest.mark.parametrize(
    ("file", "at", "value", "says"),
    [
        (
            RESULT,
            ("total", "latency_ms", "from_due", "p99"),
            "9",
            "p99: Input should be a valid nu",
        ),
        (
            RESULT,
            ("stages", 1, "latency_ms", "from_due", "p50"),
            None,
            "stages.1.latency_ms: some of p50 and p99 are null",
        ),
        (RESULT, ("stages", 0, "errors"), [1], "stages.0.errors: Input should be a valid dict"),
        (RESULT, ("total", "hdr_us", "from_due"), "x", "total.hdr_us.from_due: is no histogram"),
        (RESULT, ("started_at",), "today", "started_at: Invalid isoformat"),
        (TIMELINE, (2, "sent"), "many", "line 3, sent: Input should be a valid integer"),
        (TIMELINE, (1, "p50_ms"), float("nan"), "line 2 is not JSON"),
        (TIMELINE, (1, "at_s"), 0.5, "line 2, at_s: is before that of the line above"),
    ],
)
def test_what_is_wrong_is_named(
    file: str, at: tuple[Any, ...], value: Any, says: str, tmp_path: Path
) -> None:
    files = copy.deepcopy(MADE[0])
    inside = files[file]
    for step in at[:-1]:
        inside = inside[step]
    inside[at[-1]] = value
    store = write(tmp_path, files)
    with pytest.raises(InputError, match=r"is damaged: ") as raised:
        make_report(store)
    assert says in raised.value.what
    assert file in raised.value.what
