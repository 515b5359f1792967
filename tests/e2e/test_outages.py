"""A service that is away for a while costs time; one that stays away, the run, not its rows."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    results,
    started,
    success,
    user_ids,
    values,
    wait_for_line,
    write_users,
)
from support.scripts import Reply, echo, error, serving
from support.services import Request

ROWS = 400
DOWN: dict[str, Reply] = {
    "broken": error("InternalFailure", 500),
    "throttling": error("ThrottlingException", 400),
    "hanging up": Reply(drop=True),
    "bare gateway": Reply(status=502, raw=b"<html>"),
}
transports = pytest.mark.parametrize("transport", ["wire", "sdk"])


class Outage:
    """A script that is down from a call on: for some seconds, or until it is told to end."""

    def __init__(self, reply: Reply, *, first_call: int, lasts_s: float) -> None:
        self._reply = reply
        self._first_call = first_call
        self._lasts_s = lasts_s
        self._since_s: float | None = None
        self._lock = threading.Lock()
        self.calls = 0  # while down
        self.is_over = False

    def __call__(self, request: Request) -> Reply:
        with self._lock:
            if request.number >= self._first_call and not self.is_over:
                self._since_s = self._since_s or time.monotonic()
                self.is_over = time.monotonic() - self._since_s > self._lasts_s
                self.calls += not self.is_over
            is_down = request.number >= self._first_call and not self.is_over
        return self._reply if is_down else echo(request)


@pytest.mark.parametrize(
    ("kind", "transport"), [*((kind, "wire") for kind in DOWN), ("broken", "sdk")]
)
def test_an_outage_of_seconds_loses_no_row_and_hammers_nobody(
    kind: str, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Even if no retry is allowed: an attempt that an outage takes does not count."""
    write_users(tmp_path, ROWS)
    outage = Outage(DOWN[kind], first_call=100, lasts_s=2.5)
    with serving(outage) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            rate={"tps": 500, "in_flight_max": 32},
            retry={"attempts_max": 1},
        )
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert outage.is_over
    # Those in flight when it began, and some probes.
    assert outage.calls <= 32 + 10 + 32
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert not (tmp_path / "out" / "_errors").exists()
    done = success(tmp_path / "out")
    assert done["calls"] == ROWS + outage.calls
    assert "service down" in result.stderr
    assert "service answers again" in result.stderr


@transports
def test_a_service_that_stays_away_stops_the_run_which_goes_on_later(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    outage = Outage(DOWN["broken"], first_call=100, lasts_s=1e9)
    with serving(outage) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            stop={"outage_s": 1.0},
        )
        result = command("run", config)
        assert_advice(result, 75, "does not answer", "InternalFailure", "run the same command")
        assert not (tmp_path / "out" / "_errors").exists()
        outage.is_over = True
        called = len(service.received)
        again = command("run", config)
        assert again.returncode == 0, again.stderr
        # What was answered before it is kept.
        assert len(service.received) - called == ROWS - 100
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)


def test_a_port_that_nobody_listens_at_for_a_while_loses_no_row(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    """The service's process ends and another takes its place."""
    write_users(tmp_path, ROWS)
    is_reached, is_gone = threading.Event(), threading.Event()

    def first_service(request: Request) -> Reply:
        if request.number >= 100:  # the others are cut off, however long it takes to stop it
            is_reached.set()
            is_gone.wait(30)
        return echo(request)

    with serving(first_service) as service:
        port = int(service.url.rpartition(":")[2])
        config = write_config(
            target={"endpoint_url": service.url}, rate={"tps": 100}, retry={"attempts_max": 1}
        )
        with started("run", config, folder=tmp_path) as process:
            assert is_reached.wait(30)
            service.stop()
            is_gone.set()
            wait_for_line(process, "service down")
            with serving(echo, port=port):
                _, log = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)


@transports
@pytest.mark.parametrize("header", [("Retry-After", "1"), ("x-amz-retry-after", "1000")])
def test_a_row_waits_as_long_as_the_service_asks(
    header: tuple[str, str],
    transport: str,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 3)
    at_s: dict[int, float] = {}

    def script(request: Request) -> Reply:
        at_s[request.number] = time.monotonic()
        if request.number == 0:
            throttle = error("ThrottlingException", 400)
            return Reply(400, throttle.body, error_type=throttle.error_type, headers=(header,))
        return echo(request)

    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            rate={"in_flight_max": 1},
        )
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert at_s[1] - at_s[0] >= 1.0


def test_a_run_whose_rows_mostly_fail_is_stopped(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Its own rows are at fault, each in its own way; more than half of them."""
    write_users(tmp_path, 2_500)

    def script(request: Request) -> Reply:
        if request.number % 3 == 0:
            return echo(request)
        return error("InvalidInputException", 400, f"no such user {request.number}")

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url}, output={"rows_per_part": 500})
        result = command("run", config)
        assert_advice(result, 75, "of the last 1,000 rows failed", "stop.error_share_stop")
        assert "no such user" not in result.stderr
        assert 1_000 <= len(service.received) <= 1_020
        again = command("run", config, "--set", "stop.error_share_stop=1")
    assert again.returncode == 3, again.stderr
    assert len(results(tmp_path / "out")) + len(failed(tmp_path / "out")) == 2_500
