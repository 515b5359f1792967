"""The first job of the README, on the demo's input: it works as it is written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from support.runs import PROJECT, RunCommand, results


def test_the_readmes_first_job_is_planned_run_and_looked_at(
    tmp_path: Path, command: RunCommand
) -> None:
    writes, users = str(PROJECT / "scripts" / "demo-input"), str(tmp_path / "demo/users.parquet")
    subprocess.run([sys.executable, writes, users], check=True)
    shutil.copy(PROJECT / "configs" / "first-job.toml", tmp_path / "job.toml")
    # A time of day could be about to come.
    settings = ("--set", 'output.path="demo/try"', "--set", 'stop.deadline="1h"')
    plan = command("plan", "job.toml", *settings, "--json")
    assert (plan.returncode, json.loads(plan.stdout)["calls"]) == (0, 201)
    run = command("run", "job.toml", "--emulator", *settings, "--json")
    assert run.returncode == 0, run.stderr
    summary = json.loads(run.stdout)
    assert (summary["results"], summary["rows_failed"]) == (201, 0)
    table = results(tmp_path / "demo" / "try")
    assert {"USER_ID", "EMAIL_LOCALE", "recommendation_id", "items"} <= set(table.column_names)
    explained = command("explain", "demo/try", "u0001")
    assert explained.returncode == 0
    assert '"filterValues"' in explained.stdout
