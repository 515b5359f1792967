"""`loadtest`, the real command against a scripted service or the emulator."""

from __future__ import annotations

import html
import json
import os
import signal
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hdrh.histogram import HdrHistogram
from support.runs import (
    ANY_CLIENT,
    RunCommand,
    WriteConfig,
    assert_advice,
    started,
    user_ids,
    write_users,
)
from support.scripts import Reply, asked_for, echo, error, serving
from support.services import Request, Service

# Whatever else this machine does, a test is invalid only where invalidity is what is tested.


def stages(*rates: tuple[float, float], **keys: Any) -> dict[str, Any]:
    """Return a section [loadtest] of stages given as (tps, seconds)."""
    made = [{"tps": tps, "seconds": seconds} for tps, seconds in rates]
    return {**ANY_CLIENT, "stages": made, **keys}


def result(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out" / "_loadtest.json").read_text()))


def throttle_every_tenth(request: Request) -> Reply:
    return error("ThrottlingException", 400) if request.number % 10 == 9 else echo(request)


def test_a_test_of_stages_calls_each_user_in_turn_and_leaves_its_result(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 30)
    with serving(throttle_every_tenth) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            price={"per_1000_usd": 0.5},
            loadtest=stages(
                (40, 0.5), (80, 0.5), thresholds=["throttle_share < 0.2"], attempts_parquet=True
            ),
        )
        done = command("loadtest", config, "--json", "-q")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    calls = len(service.received)
    found = result(tmp_path)
    assert json.loads(done.stdout) == found
    assert found["state"] == "finished"
    assert found["verdict"] == {"outcome": "passed", "reasons": []}
    total = found["total"]
    assert (total["calls"], total["calls"] + total["missed"]) == (calls, 60)
    assert total["throttles"] == calls // 10
    assert total["successes"] == calls - calls // 10
    assert total["errors"] == {}
    assert found["cost_usd_estimate"] == pytest.approx(calls / 2000)
    assert [stage["calls"] + stage["missed"] for stage in found["stages"]] == [20, 40]
    assert [stage["to_tps"] for stage in found["stages"]] == [40, 80]
    assert found["thresholds"][0]["value"] == total["throttle_share"]
    users = [asked_for(request) for request in service.received]
    assert Counter(users).keys() == set(user_ids(30))
    assert max(Counter(users).values()) - min(Counter(users).values()) <= 1
    _check_histograms(total)
    _check_timeline(tmp_path, total)
    _check_attempts(tmp_path, service)


def _check_histograms(total: dict[str, Any]) -> None:
    for name, count in (("from_due", "successes"), ("from_sent", "successes"),
                        ("throttled", "throttles"), ("lateness", "calls")):  # fmt: skip
        histogram = HdrHistogram.decode(total["hdr_us"][name])
        assert histogram.get_total_count() == total[count]
        p99_us = histogram.get_value_at_percentile(99.0)
        assert p99_us / 1e3 == pytest.approx(total["latency_ms"][name]["p99"])


def _check_timeline(folder: Path, total: dict[str, Any]) -> None:
    lines = (folder / "out" / "_loadtest_timeline.jsonl").read_text().splitlines()
    intervals = [json.loads(line) for line in lines]
    columns = {name: [each[name] for each in intervals] for name in intervals[0]}
    assert sum(columns["sent"]) == total["calls"]
    assert sum(columns["successes"]) == total["successes"]
    assert sum(columns["throttles"]) == total["throttles"]
    assert sum(columns["seconds"]) == pytest.approx(columns["at_s"][-1], abs=0.05)


def _check_attempts(folder: Path, service: Service) -> None:
    attempts = pq.read_table(folder / "out" / "attempts.parquet").to_pylist()
    assert len(attempts) == len(service.received)
    sent = Counter(asked_for(request) for request in service.received)
    assert Counter(user_ids(30)[attempt["row"]] for attempt in attempts) == sent
    codes = Counter((attempt["code"], attempt["http_status"]) for attempt in attempts)
    throttled = len(service.received) // 10
    assert codes == {
        (None, 200): len(service.received) - throttled,
        ("ThrottlingException", 400): throttled,
    }
    began, ended = (
        datetime.fromisoformat(result(folder)[f"{at}_at"]) for at in ("started", "ended")
    )
    assert all(began <= each["intended_at"] <= each["sent_at"] <= ended for each in attempts)
    assert all(attempt["latency_ms"] > 0 for attempt in attempts)


def test_a_broken_threshold_ends_with_5_and_says_by_how_much(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(throttle_every_tenth) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest=stages((100, 0.5), thresholds=["throttle_share < 0.05", "p50_ms < 5000"]),
        )
        done = command("loadtest", config)
    assert_advice(done, 5, "throttle_share < 0.05 does not hold: it is 0.1")
    assert result(tmp_path)["verdict"]["outcome"] == "failed"
    for text in ("FAILED", "BROKEN", "kept", "p50_ms < 5000", "from when a call was due"):
        assert text in done.stdout


def test_a_broken_threshold_ends_the_test_early_if_asked_to(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(lambda _: error("ThrottlingException", 400)) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest=stages(
                (200, 60), thresholds=["throttle_share < 0.05"], abort_on_breach=True,
                abort_after_s=0.5,
            ),
        )  # fmt: skip
        done = command("loadtest", config)
    assert_advice(done, 5, "throttle_share < 0.05 does not hold: it is 1", "no call succeeded")
    assert 100 <= result(tmp_path)["total"]["calls"] < 2000


def test_a_client_that_is_the_limit_makes_the_result_invalid(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Every threshold holds; what was measured is that only one call may be open."""

    def slow(request: Request) -> Reply:
        time.sleep(0.05)  # slowness is what this service is for
        return echo(request)

    write_users(tmp_path, 3)
    with serving(slow) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest=stages((50, 0.5), in_flight_max=1, late_share_max=0.01,
                            thresholds=["p99_ms < 60000"]),
        )  # fmt: skip
        done = command("loadtest", config)
    assert_advice(done, 5, "not valid", "1 calls were open", "raise loadtest.in_flight_max")
    found = result(tmp_path)
    assert found["verdict"]["outcome"] == "invalid"
    assert found["thresholds"][0]["holds"]
    latency = found["total"]["latency_ms"]
    # 25 calls of 50 ms in a row take 1.25 s; the last was due after 0.5 s.
    assert latency["from_due"]["max"] > 700
    assert latency["from_sent"]["p50"] < latency["from_due"]["p50"]


def test_a_process_that_stood_still_makes_the_result_invalid(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url}, loadtest=stages((100, 4), late_share_max=0.2)
        )
        with started("loadtest", config, folder=tmp_path) as process:
            service.wait_for_calls(20)
            os.kill(process.pid, signal.SIGSTOP)
            time.sleep(1.2)  # so long it stands still, which is what is tested
            os.kill(process.pid, signal.SIGCONT)
            _, log = process.communicate(timeout=30)
    assert process.returncode == 5, log
    assert "this process stood still" in log
    total = result(tmp_path)["total"]
    assert total["missed"] > 60
    assert total["calls"] + total["missed"] == 400  # what it missed is not made up for


@pytest.mark.parametrize(
    ("number", "keys", "reason"),
    [
        (signal.SIGTERM, {}, "SIGTERM"),
        (None, {"stop": {"calls_max": 25}}, "the cap of"),
        (None, {"stop": {"deadline": "1s"}}, "the deadline 1s has come"),
    ],
)
def test_what_ends_it_early_leaves_the_result_so_far(
    number: signal.Signals | None,
    keys: dict[str, Any],
    reason: str,
    tmp_path: Path,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            loadtest=stages((100, 600), thresholds=["p99_ms < 60000"]),
            **keys,
        )
        with started("loadtest", config, folder=tmp_path) as process:
            if number is not None:
                service.wait_for_calls(10)
                process.send_signal(number)
            summary, log = process.communicate(timeout=30)
        assert process.returncode == 75, log
        assert reason in log
        assert "STOPPED" in summary
        found = result(tmp_path)
        assert found["state"] == "stopped"
        assert found["total"]["calls"] == len(service.received) > 0
        if number is None and "deadline" not in str(keys):
            assert found["total"]["calls"] == 25


def test_a_folder_holds_one_test_and_no_run(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        target = {"endpoint_url": service.url}
        config = write_config(target=target, loadtest=stages((20, 0.2)))
        assert command("loadtest", config).returncode == 0
        assert_advice(command("loadtest", config), 6, "holds the load test that ended at")
        assert_advice(command("run", config), 6, "_loadtest")
        assert command("loadtest", config, "--overwrite").returncode == 0


def test_a_config_without_a_section_is_advice(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    assert_advice(command("loadtest", write_config()), 2, "no section [loadtest]")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (error("InvalidInputException", 400), 4, "check that the recipe"),
        (Reply(drop=True), 75, "the service does not answer"),
    ],
)
@pytest.mark.parametrize("seconds", [600, 0.05])  # the first calls tell, or only all of them
def test_a_service_that_takes_no_call_ends_the_test_at_once(
    reply: Reply,
    code: int,
    says: str,
    seconds: float,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 3)
    with serving(lambda _: reply) as service:
        config = write_config(target={"endpoint_url": service.url}, loadtest=stages((150, seconds)))
        assert_advice(command("loadtest", config), code, says)
        assert len(service.received) < 600
        found = result(tmp_path)
        assert found["state"] == "aborted"
        page = (tmp_path / "out" / "_report.html").read_text()
        assert f"as this ended the test: {html.escape(found['error']).rstrip('.')}." in page
        assert_advice(command("loadtest", config), code, says)  # in the same folder
