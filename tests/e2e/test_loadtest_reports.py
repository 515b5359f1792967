"""The report of a load test, by the real command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.pages import charts_of
from support.runs import (
    ANY_CLIENT,
    EVENT_TIMEOUT_S,
    RunCommand,
    WriteConfig,
    assert_advice,
    started,
    wait_until,
    write_users,
)
from support.scripts import Reply, echo, error, serving
from support.services import Request

WHEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC from")


def wait_for_lines(path: Path, count: int) -> None:
    """Return when a file has so many lines."""
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count)


def page_of(folder: Path) -> str:
    """Return the report without the moment when it was written."""
    return WHEN.sub("from", (folder / "out" / "_report.html").read_text())


def test_a_test_leaves_a_report_and_report_makes_the_same_again(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 30)
    stages = [{"tps": 60, "seconds": 0.5, "ramp": True}, {"tps": 60, "seconds": 1}]
    config = write_config(
        loadtest={**ANY_CLIENT, "stages": stages, "thresholds": ["error_share < 0.5"]}
    )
    done = command("loadtest", config, "--emulator")
    assert done.returncode == 0, done.stderr
    assert "no report" not in done.stderr
    first = page_of(tmp_path)
    for text in ("Passed", "The threshold holds.", "0 to 60", "Latency by percentile"):
        assert text in first
    (tmp_path / "out" / "_report.html").unlink()
    again = command("report", tmp_path / "out")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == f"{tmp_path}/out/_report.html\n"
    assert page_of(tmp_path) == first


def test_a_killed_test_has_a_report_of_what_it_did(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    timeline = tmp_path / "out" / "_loadtest_timeline.jsonl"
    troubles = {1: error("ThrottlingException", 400), 2: error("InternalFailure", 500)}

    def answer(request: Request) -> Reply:
        return troubles.get(request.number % 10) or echo(request)

    with serving(answer) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest={**ANY_CLIENT, "stages": [{"tps": 40, "seconds": 600}]},
        )
        with started("loadtest", config, folder=tmp_path) as process:
            wait_for_lines(timeline, 1)
            assert command("report", "out").returncode == 0
            running = page_of(tmp_path)
            wait_for_lines(timeline, 2)
            process.kill()
            process.communicate(timeout=EVENT_TIMEOUT_S)
    intervals = [json.loads(line) for line in timeline.read_text().splitlines()]
    with timeline.open("a") as file:
        file.write('{"at_s": 9.0, "seconds": 1.')  # as a kill in the middle of a write leaves it
    assert command("report", "out").returncode == 0
    killed = page_of(tmp_path)
    for page in (running, killed):
        for text in ("Not finished", "There is no verdict", "of 10m00s", "running, or was killed",
                     "Latency over time", "Throttles and errors", "InternalFailure"):  # fmt: skip
            assert text in page
    assert sum(each["throttles"] for each in intervals) > 0
    x = charts_of(killed)["Latency from due, over time"]["data"][0]
    assert (x[0], x[-1]) == (0, intervals[-1]["at_s"])


def test_a_report_that_cannot_be_written_fails_no_test(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)

    def be_in_the_way(request: Request) -> Reply:
        (tmp_path / "out" / "_report.html").mkdir(exist_ok=True)
        return echo(request)

    with serving(be_in_the_way) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest={**ANY_CLIENT, "stages": [{"tps": 20, "seconds": 0.3}]},
        )
        with started("loadtest", config, folder=tmp_path) as process:
            summary, log = process.communicate(timeout=EVENT_TIMEOUT_S)
    assert process.returncode == 0, log
    assert "PASSED" in summary
    assert "warning no report" in log


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "_loadtest.json is damaged: it is not JSON"),
        ('{"format": 9, "state": "finished"}', "_loadtest.json has format 9"),
        ('{"format": 1, "state": 7}', "_loadtest.json is damaged: state: Input should be"),
    ],
)
def test_a_damaged_result_is_advice(
    content: str, says: str, tmp_path: Path, command: RunCommand
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_loadtest.json").write_text(content)
    assert_advice(command("report", "out"), 2, says)
