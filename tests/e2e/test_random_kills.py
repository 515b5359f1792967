"""Kills at random moments, seeded: what the table of crash points may have forgotten."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

from support.accounts import (
    assert_each_row_once,
    assert_only_final_names,
    assert_summary_adds_up,
    committed,
    recommendation_ids,
)
from support.runs import RunCommand, WriteConfig, started, success, user_ids, write_users
from support.scripts import FirstAttempts, Reply, error, serving

KILLS = 10
ROWS = 3_000
USERS = user_ids(ROWS)


def test_ten_kills_at_random_moments_lose_double_and_change_nothing(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """About two thirds of the kills come while rows are called, the others as the run starts."""
    write_users(tmp_path, ROWS)
    output, chance, begun_s = tmp_path / "out", random.Random(5), time.monotonic()
    faults = [error("ThrottlingException", 400), error("InternalFailure", 500), Reply(drop=True)]
    weather = {user: chance.choice(faults) for user in chance.sample(USERS, ROWS // 20)}
    weather |= {USERS[7]: error("InvalidInputException", 400)}
    with serving(FirstAttempts(weather)) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            output={"rows_per_part": 200},
            rate={"tps": 1_000},
            stop={"error_share_max": 0.01},
        )
        files, ids = dict[str, bytes](), dict[str, str]()
        for _ in range(KILLS):
            with started("run", config, folder=tmp_path) as process:
                try:
                    process.communicate(timeout=chance.uniform(0.3, 1.5))
                except subprocess.TimeoutExpired:
                    process.kill()
                assert process.wait(30) in (0, -signal.SIGKILL)
            assert committed(output).items() >= files.items()
            assert recommendation_ids(output).items() >= ids.items()
            done = {path.name for path in output.glob("part-*")}
            files = {
                name: text for name, text in committed(output).items() if Path(name).name in done
            }
            ids = recommendation_ids(output)
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert committed(output).items() >= files.items()
    assert recommendation_ids(output).items() >= ids.items()
    assert_each_row_once(output, USERS)
    assert_summary_adds_up(output)
    assert_only_final_names(output)
    assert ROWS / 1_000 / 2 <= success(output)["seconds"] <= time.monotonic() - begun_s
