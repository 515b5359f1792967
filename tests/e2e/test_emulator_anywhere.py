"""`--emulator` works on any machine: what is set up there for AWS is not for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.machines import MACHINES, environment
from support.runs import RunCommand, WriteConfig, results, user_ids, values, write_users

ROWS = 5


@pytest.mark.parametrize(
    ("transport", "profile"),
    [("wire", "a broken file"), ("sdk", "a profile that is not here"), ("wire", "a profile")],
)
def test_a_run_reaches_it_where_everything_is_in_its_way(
    transport: str, profile: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    others = [name for name in MACHINES if "profile" not in name and "file" not in name]
    env: dict[str, str] = {}
    for machine in [*others, profile if profile in MACHINES else "a profile of its own"]:
        env |= environment(tmp_path, machine)
    # The provisioned rate is asked for, too: the control plane is the emulator's.
    config = write_config(
        target={"transport": transport, "profile": "nope", "ca_bundle": "/nope"},
        rate={"tps": None},
        stop={"outage_s": 3.0},
    )
    result = command("run", config, "--emulator", env=env)
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(ROWS)
    assert "transport sdk instead of wire" not in result.stderr
