"""All of the emulator's weather at once: every row ends, and its answer is the one of fair days."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.emulator import emulator
from support.runs import RunCommand, WriteConfig, results, success, user_ids, values, write_users

ROWS = 300
WEATHER: dict[str, Any] = {
    "seed": 7,
    "latency_ms_p50": 5.0,
    "latency_ms_p99": 60.0,
    "error_shares": {
        "InternalFailure": 0.03,
        "ServiceUnavailable": 0.03,
        "ThrottlingException": 0.05,
    },
    "reset_share": 0.03,
    "cut_body_share": 0.03,
    "slow_body_share": 0.03,
    "slow_body_s": 0.2,
    "close_share": 0.05,
    "chunked_share": 0.2,
    "gzip_share": 0.2,
    "stall": {"every_s": 1.5, "for_s": 0.5},
}


@pytest.mark.parametrize("transport", ["wire", "sdk"])
def test_no_row_is_lost_doubled_or_changed(
    transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    answers = {}
    for name, weather in (("fair", None), ("foul", WEATHER)):
        with emulator(weather=weather) as url:
            config = write_config(
                target={"endpoint_url": url, "transport": transport},
                rate={"tps": 400, "in_flight_max": 32},
                retry={"attempts_max": 10, "budget_share": 1.0},
                output={"path": str(tmp_path / name), "rows_per_part": 200},
            )
            result = command("run", config)
        assert result.returncode == 0, result.stderr
        assert values(results(tmp_path / name), "USER_ID") == user_ids(ROWS)
        answers[name] = values(results(tmp_path / name), "items")
    assert answers["foul"] == answers["fair"]
    done = success(tmp_path / "foul")
    assert done["retries"] == done["calls"] - ROWS > ROWS * 0.1
