"""A process that was stopped, or slept, reads what has arrived before it judges anything late."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from support.runs import (
    WriteConfig,
    results,
    started,
    success,
    user_ids,
    values,
    wait_for_line,
    write_users,
)
from support.scripts import Gate, Reply, asked_for, echo, error, serving
from support.services import Request

ROWS = 60
STOP_S = 2.5  # longer than any limit of these runs


@pytest.mark.parametrize("transport", ["wire", "sdk"])
def test_calls_in_flight_when_it_was_stopped_are_answered_and_not_paid_twice(
    tmp_path: Path, write_config: WriteConfig, transport: str
) -> None:
    """Their answers come while it stands still."""
    write_users(tmp_path, ROWS)
    gate = Gate(15)
    with serving(gate) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            rate={"tps": 40, "adaptive": False},
            retry={"timeout_s": 2.0},
        )
        with started("run", config, folder=tmp_path) as process:
            service.wait_for_calls(25)
            process.send_signal(signal.SIGSTOP)
            gate.open()
            time.sleep(STOP_S)  # what is tested is that it passes
            process.send_signal(signal.SIGCONT)
            assert process.wait(timeout=60) == 0
        asked = Counter(asked_for(each) for each in service.received)
    assert asked == Counter(user_ids(ROWS))
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert success(tmp_path / "out")["retries"] == 0


@pytest.mark.parametrize("transport", ["wire", "sdk"])
def test_an_outage_in_which_it_was_stopped_is_judged_by_a_probe(
    tmp_path: Path, write_config: WriteConfig, transport: str
) -> None:
    """The service is down for over three seconds, of which the process runs for one or two."""
    is_up = [True]

    def changing(request: Request) -> Reply:
        return echo(request) if is_up[0] else error("InternalFailure", 500)

    write_users(tmp_path, ROWS)
    with serving(changing) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            rate={"tps": 40, "adaptive": False},
            stop={"outage_s": 3.0},
        )
        with started("run", config, folder=tmp_path) as process:
            service.wait_for_calls(10)
            is_up[0] = False
            wait_for_line(process, "service down")  # for a second
            process.send_signal(signal.SIGSTOP)
            is_up[0] = True
            time.sleep(STOP_S)  # as above
            process.send_signal(signal.SIGCONT)
            assert process.wait(timeout=60) == 0
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
