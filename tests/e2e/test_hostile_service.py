"""A service that answers with garbage: rows fail one by one, and the run survives."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from e2e.garbage import BEYOND_THE_SDK, KINDS, talking_garbage
from support.runs import WriteConfig, clean_environment, failed, results, success, write_parquet
from support.services import serving_talk

SEED = 20261121
ROWS = 250
USERS = [f"u{number}" for number in range(ROWS)]
SOUND = {user for number, user in enumerate(USERS) if number >= len(KINDS) and number % 3}
# 256 MiB of answers on their way, what is written, and Python with Arrow.
RSS_BYTES_MAX = 700 << 20


def run_measured(config: Path, folder: Path) -> tuple[int, str, int]:
    """Run the command; return its exit code, its stderr and the most memory it had, in bytes."""
    log = folder / "stderr.txt"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "worker", "run", str(config)],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, log.read_text(), usage.ru_maxrss * 1024


@pytest.mark.parametrize("transport", ["wire", "sdk"])
def test_garbage_fails_its_own_rows_and_nothing_else(
    transport: str, tmp_path: Path, write_config: WriteConfig
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": USERS})
    spared = BEYOND_THE_SDK if transport == "sdk" else set()
    kinds = dict(zip(USERS, KINDS, strict=False))
    sound = {*SOUND, *(user for user, kind in kinds.items() if kind in spared)}
    is_sdk = transport == "sdk"
    talk = talking_garbage(sound.__contains__, seed=SEED, tells_to_close=is_sdk)
    with serving_talk(talk) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            rate={"tps": 400, "in_flight_max": 64},
            retry={"timeout_s": 1.0, "attempts_max": 3},
            stop={"error_share_max": 1.0},
        )
        code, log, rss_bytes = run_measured(config, tmp_path)
    assert code == 0, log
    assert "Traceback" not in log
    assert all(character.isprintable() or character == "\n" for character in log), log
    answered = {row["USER_ID"]: row for row in results(tmp_path / "out").to_pylist()}
    rows = {row["USER_ID"]: row for row in failed(tmp_path / "out").to_pylist()}
    assert sorted([*answered, *rows]) == sorted(USERS)
    for user in sound:
        assert user in answered, rows[user]
        assert [item["item_id"] for item in answered[user]["items"]] == [f"item-of-{user}"]
        assert answered[user]["recommendation_id"] == f"RID-{user}"
    for user, row in answered.items():
        owner = (row["recommendation_id"] or "").removeprefix("RID-")
        assert owner == user or owner not in {*USERS, "stolen"}
    for user, row in rows.items():
        words = (row["error_code"], row["error_message"], row["request_id"] or "")
        assert all(text.isprintable() for text in words), (kinds.get(user), words)
        assert len(row["error_message"]) <= 1000
    told = {kinds[user]: row for user, row in rows.items() if user in kinds}
    obeyed = told["a message to obey"]
    assert obeyed["error_code"] == "InvalidInputException"
    assert r"\x1b]0;owned" in obeyed["error_message"]
    assert told["a body of 17 MiB"]["error_code"] == "InvalidAnswer"
    assert told["a bomb"]["error_code"] == "InvalidAnswer"
    assert success(tmp_path / "out")["rows_read"] == ROWS
    assert rss_bytes < RSS_BYTES_MAX
