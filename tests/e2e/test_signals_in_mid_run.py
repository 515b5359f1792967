"""SIGTERM while the run waits for something: it ends in time, and nothing is lost."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from support.runs import (
    PARTS_OF_TEN,
    WriteConfig,
    clean_environment,
    part_paths,
    results,
    started,
    user_ids,
    values,
    wait_for_line,
    wait_until,
    write_users,
)
from support.scripts import Gate, Reply, echo, error, serving
from support.services import Request

# What must not be waited for takes a minute.
SOON_S = 15.0

pytestmark = pytest.mark.usefixtures("hangups_count")


def end(
    process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM, *, times: int = 1
) -> str:
    """Send the signal; return what the process says until its end, which comes soon."""
    began_s = time.monotonic()
    for is_again in [False, True][:times]:
        if is_again:
            wait_for_line(process, "stopping")
        process.send_signal(number)
    _, log = process.communicate(timeout=60)
    assert time.monotonic() - began_s < SOON_S
    assert process.returncode == 75, log
    assert "hint: run the same command again" in log
    assert "Traceback" not in log
    return log


def test_while_the_service_is_down(tmp_path: Path, write_config: WriteConfig) -> None:
    write_users(tmp_path, 50)
    with serving(lambda _: error("InternalFailure", 500)) as service:
        config = write_config(target={"endpoint_url": service.url})
        with started("run", config, folder=tmp_path) as process:
            wait_for_line(process, "service down")
            assert "service answers again" not in end(process)


def test_while_connections_hang_in_their_handshake(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 50)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:  # nobody takes what comes
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        config = write_config(target={"endpoint_url": url}, retry={"timeout_s": 60.0})
        with (
            started("run", config, folder=tmp_path) as process,
            closing(listener.accept()[0]) as accepted,
        ):
            assert accepted.recv(1)
            end(process)


def test_while_a_row_waits_as_long_as_the_service_asks(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5)
    all_asked = threading.Event()

    def script(request: Request) -> Reply:
        if request.number >= 4:
            all_asked.set()
        body = {"__type": "ThrottlingException", "message": "later"}
        return Reply(400, body, headers=(("Retry-After", "60"),))

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url})
        with started("run", config, folder=tmp_path) as process:
            assert all_asked.wait(30)
            end(process)
        assert len(service.received) == 5


def test_while_calls_are_not_answered_once_waits_for_their_time_limit(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 25)
    gate = Gate(15)
    with serving(gate) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            output={"rows_per_part": 10},
            rate={"in_flight_max": 4},
            retry={"timeout_s": 2.0},
        )
        with started("run", config, folder=tmp_path) as process:
            gate.wait_until_reached()
            end(process)
        gate.open()
        called = len(service.received)
        subprocess.run(
            [sys.executable, "-m", "worker", "run", str(config)],
            env=clean_environment(),
            cwd=tmp_path,
            check=True,
            capture_output=True,
            timeout=60,
        )
        # The answers before the signal are kept.
        assert len(service.received) - called == 10
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(25)


def test_twice_does_not_wait_for_calls_and_keeps_what_is_committed(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 25)
    gate = Gate(15)
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, **PARTS_OF_TEN)
        with started("run", config, "-v", folder=tmp_path) as process:
            wait_for_line(process, "part=part-00000.parquet")
            gate.wait_until_reached()
            end(process, times=2)
        gate.open()
    assert [path.name for path in part_paths(tmp_path / "out")] == ["part-00000.parquet"]
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(10)


def test_the_end_of_a_terminal_may_be_told_twice(tmp_path: Path, write_config: WriteConfig) -> None:
    """By its shell, and by the system when that has ended: calls in flight are waited for."""
    write_users(tmp_path, 25)
    gate = Gate(15)
    with serving(gate) as service:
        config = write_config(target={"endpoint_url": service.url}, retry={"timeout_s": 3.0})
        with started("run", config, folder=tmp_path) as process:
            gate.wait_until_reached()
            log = end(process, signal.SIGHUP, times=2)
        gate.open()
    assert "stopped before the end: SIGHUP" in log


def test_while_credentials_are_fetched(tmp_path: Path, write_config: WriteConfig) -> None:
    """The process that should print them never ends."""
    write_users(tmp_path, 5)
    began, script, profile = tmp_path / "began", tmp_path / "process.py", tmp_path / "aws-config"
    script.write_text(
        f"import pathlib, time\npathlib.Path({str(began)!r}).touch()\ntime.sleep(60)\n"
    )
    profile.write_text(f"[profile p]\ncredential_process = {sys.executable} {script}\n")
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url, "profile": "p"})
        env = {"AWS_CONFIG_FILE": str(profile)}
        with started("run", config, folder=tmp_path, env=env) as process:
            wait_until(began.exists)
            end(process)
        assert not service.received


def test_while_the_provisioned_rate_is_asked_for(tmp_path: Path, write_config: WriteConfig) -> None:
    write_users(tmp_path, 5)
    is_asked, is_over = threading.Event(), threading.Event()

    def script(_: Request) -> Reply:
        is_asked.set()
        is_over.wait(60)
        return Reply(drop=True)

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url}, rate={"tps": None})
        with started("run", config, folder=tmp_path) as process:
            assert is_asked.wait(30)
            end(process)
        is_over.set()
