"""The report of a load test, by the real command."""

import re
import threading
from pathlib import Path

import pytest
from conftest import RunCommand
from helpers import EVENT_TIMEOUT_S, WriteConfig, assert_advice, echo, started, write_users
from scripted import Received, Reply, serving

ANY_CLIENT = {"late_share_max": 1.0}
WHEN = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC from")


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


def test_a_running_or_killed_test_has_a_report_that_says_so(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    called = threading.Event()

    def note(request: Received) -> Reply:
        called.set()
        return echo(request)

    with serving(note) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest={**ANY_CLIENT, "stages": [{"tps": 20, "seconds": 600}]},
        )
        with started("loadtest", config, folder=tmp_path) as process:
            assert called.wait(EVENT_TIMEOUT_S)
            assert command("report", "out").returncode == 0
            running = page_of(tmp_path)
            process.kill()
            process.communicate(timeout=EVENT_TIMEOUT_S)
    (tmp_path / "out" / "_loadtest_timeline.json").write_text('{"format": 1, "columns": {"at')
    assert command("report", "out").returncode == 0
    for page in (running, page_of(tmp_path)):
        assert "Not finished" in page
        assert "still running, or was killed" in page


def test_a_report_that_cannot_be_written_fails_no_test(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)

    def be_in_the_way(request: Received) -> Reply:
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


@pytest.mark.parametrize("content", ["", '{"format": 9, "state": "finished"}'])
def test_a_damaged_result_is_advice(content: str, tmp_path: Path, command: RunCommand) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_loadtest.json").write_text(content)
    assert_advice(command("report", "out"), 6, "_loadtest.json is damaged")
