"""scripts/hit-rate, and with it the promise that the emulator recommends better than popularity."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
from support.runs import PROJECT

from worker.emulator.data.synthetic import synthetic_tables

SCRIPT = PROJECT / "scripts" / "hit-rate"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_emulator_beats_popularity_on_made_up_data(tmp_path: Path) -> None:
    interactions, items = synthetic_tables(seed=1)
    pq.write_table(interactions, tmp_path / "interactions.parquet")
    pq.write_table(items, tmp_path / "items.parquet")
    done = run(str(tmp_path), "--at", "25")
    assert done.returncode == 0, done.stderr
    heading, *lines = done.stdout.splitlines()
    assert heading == "500 users, 1000 items, hit rate at 25:"
    emulator, popularity, unseen = (float(line.split()[-1]) for line in lines)
    assert emulator > 1.2 * unseen > 1.2 * popularity


def test_missing_data_and_a_list_of_no_length_are_refused(tmp_path: Path) -> None:
    absent = run(str(tmp_path))
    assert absent.returncode == 2
    assert "interactions.parquet" in absent.stderr
    assert "hint:" in absent.stderr
    assert run(str(tmp_path), "--at", "0").returncode == 2
