"""The manual stays true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.runs import PROJECT

from worker import errors
from worker.cli.main import EPILOG, cli
from worker.config.load import load_config

README = (PROJECT / "README.md").read_text()
REFERENCE = (PROJECT / "configs" / "README.md").read_text()


def test_generated_files_are_current() -> None:
    check = subprocess.run(
        [sys.executable, "scripts/generate", "--check"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_every_command_is_in_the_manual() -> None:
    for name in cli.commands:
        assert f"Usage: personalize-worker {name}" in REFERENCE


def test_every_exit_code_is_in_the_manual_and_in_the_help() -> None:
    codes = {outcome.exit_code for outcome in errors.CommandOutcome}
    assert codes == {0, 1, 2, 3, 4, 5, 6, 75}
    for code in codes:
        assert f"\n| {code} | " in README
        assert re.search(rf"\b{code}  +\w", EPILOG)


def test_the_config_in_the_manual_is_sound(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(#:schema.*?)```", README, flags=re.DOTALL)
    path = tmp_path / "readme.toml"
    path.write_text(example)
    assert load_config(path, settings=[], environ={}).rate.tps == 200


@pytest.mark.parametrize(
    "name", ["demo", "test", "check", "check-world", "install", "lock", "generate"]
)
def test_scripts_are_there_and_can_be_run(name: str) -> None:
    assert os.access(PROJECT / "scripts" / name, os.X_OK)


LOCKS = ["requirements.txt", "requirements-dev.txt"]


def pins_of(lock: str) -> dict[str, str]:
    """Return the pins of a lock by package, each with what belongs to it."""
    text = (PROJECT / "scripts" / lock).read_text()
    pins = re.findall(r"^([^\s=]+)==(\S+.*?)(?=^\S|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return dict(pins)


@pytest.mark.parametrize("lock", LOCKS)
def test_pinned_requirements_have_hashes_and_name_no_index(lock: str) -> None:
    pins = pins_of(lock)
    assert len(pins) > 40
    assert all("--hash=sha256:" in pin for pin in pins.values())
    text = (PROJECT / "scripts" / lock).read_text()
    assert "://" not in text
    assert "--index" not in text


def test_a_package_is_in_one_lock_only_and_what_runs_needs_no_test_tool() -> None:
    running, testing = map(pins_of, LOCKS)
    assert not running.keys() & testing.keys()
    assert "pytest" in testing
    assert "pyarrow" in running


def test_every_dependency_says_why() -> None:
    text = (PROJECT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["emulator"]]
    for dependency in wanted:
        assert re.search(rf'"{re.escape(dependency)}", +# .', text), dependency
