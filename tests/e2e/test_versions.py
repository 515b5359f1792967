"""Runs that another version of the program began: carried on, or told with both versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    results,
    user_ids,
    values,
    write_users,
)
from support.scripts import echo, serving

from worker import __version__

SECTIONS: dict[str, Any] = {"output": {"rows_per_part": 4}}


def _change_run(output: Path, **keys: Any) -> None:
    path = output / "_run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def _begin(command: RunCommand, config: Path) -> None:
    assert command("run", config, "--set", "stop.calls_max=6").returncode == 75


def test_a_run_that_another_version_began_in_this_format_is_carried_on(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """A version without a key that has come since, at its default here."""
    write_users(tmp_path, 10)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **SECTIONS)
        _begin(command, config)
        _change_run(tmp_path / "out", version="0.0.9")
        assert command("run", config).returncode == 0
    assert len(service.received) == 10
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(10)


@pytest.mark.parametrize("number", [1, 3])
def test_a_run_of_another_format_is_told_with_both_versions_and_left_alone(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, number: int
) -> None:
    write_users(tmp_path, 10)
    output = tmp_path / "out"
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, **SECTIONS)
        _begin(command, config)
        _change_run(output, version="0.0.9", format=number)
        before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
        for words in (("run", config), ("plan", config), ("explain", output, "u0001")):
            result = command(*words)
            assert_advice(result, 6, "version 0.0.9", f"version {__version__}", f"format {number}")
        assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
        assert len(service.received) == 6
        assert command("report", output).returncode == 0
        assert command("run", config, "--overwrite").returncode == 0


def test_the_run_json_of_a_version_without_formats_is_understood(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """As versions up to the first format wrote it, from keys at their defaults."""
    write_users(tmp_path, 3)
    config = write_config()
    identity = {
        "target": {"operation": "GetRecommendations", "arn": "a", "region": "us-east-1"},
        "request": {"filter_values": {}, "context": {}, "metadata_columns": [], "promotions": []},
        "input": {"keep": [], "deduplicate": True, "fingerprint": "0" * 64,
                  "columns": {"user_id": "USER_ID", "context": {}, "filter_values": {}}},
        "output": {"layout": "nested", "compression": "zstd", "rows_per_part": 100_000},
    }  # fmt: skip
    run = {
        "version": "0.0.1", "run_id": "0" * 16, "created_at": "2026-11-20T03:00:00+00:00",
        "identity": identity, "config": {}, "plan": {"parts": 1, "batch_rows": 1024},
        "input": {"rows": 3, "fingerprint": "0" * 64},
    }  # fmt: skip
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "_run.json").write_text(json.dumps(run))
    result = command("run", config)
    assert_advice(result, 6, "version 0.0.1", f"version {__version__}", "format 1", "format 2")
