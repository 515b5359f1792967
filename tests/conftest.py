"""Fixtures: the real command, the real emulator, both as processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings
from support.clock import SimulatedLoop
from support.runs import (
    COMMAND_TIMEOUT_S,
    Result,
    RunCommand,
    campaign_arn,
    clean_environment,
    toml,
)

from worker.runtime import event_loop

# A test run in the background inherits an ignored SIGINT, and so would the processes it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on speed: what a property takes on a busy machine is no failure.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")

# Each session of the SDK parses megabytes of JSON: most of the time of a test with a client.
read_once = cache(partial(JSONFileLoader.load_file, JSONFileLoader()))
JSONFileLoader.load_file = lambda _, file_path: read_once(file_path)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--quick`, of scripts/test."""
    parser.addoption("--quick", action="store_true", help="one event loop, fewer examples")


def pytest_configure(config: pytest.Config) -> None:
    """Leave out what is the same once more, if asked to."""
    if config.getoption("--quick"):
        settings.register_profile("quick", settings(), max_examples=20)
        settings.load_profile("quick")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests with and without aiofastnet, keep those with it, as a run has it by default."""
    if config.getoption("--quick"):
        items[:] = [item for item in items if _is_by_default(item)]


def _is_by_default(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return bool(parameters.get("with_and_without_aiofastnet", True))


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees this machine's AWS settings, or what runs remember, or asks the network."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    wanted = clean_environment()
    for name in set(os.environ) - set(wanted):
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """Run tests marked `every_loop` on each event loop that the worker may have."""
    if item.get_closest_marker("every_loop"):
        return {"uvloop": LOOPS["uvloop"]} if item.config.getoption("--quick") else LOOPS
    if item.get_closest_marker("simulated_time"):
        return {"simulated": SimulatedLoop}
    return {"asyncio": asyncio.new_event_loop}


@pytest.fixture(params=[True, False], ids=["aiofastnet", "plain"])
def with_and_without_aiofastnet(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take aiofastnet away, as where it is not installed."""
    if not request.param:
        monkeypatch.setattr(event_loop, "aiofastnet", None)
    else:
        assert event_loop.aiofastnet is not None


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Return who signs certificates of tests; nobody trusts it unless told to."""
    return trustme.CA()


@pytest.fixture
def command(tmp_path: Path) -> RunCommand:
    """Return a function that runs `python -m worker ARGUMENTS` in `tmp_path` to its end."""

    def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Result:
        return subprocess.run(
            [sys.executable, "-m", "worker", *map(str, arguments)],
            cwd=tmp_path,
            env=clean_environment(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def emulator_url() -> Iterator[str]:
    """Start `emulate` once, on made-up data and a free port; yield its address."""
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "emulate", "--set", "emulator.port=0", "--until-eof"],
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        line = process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), line
        yield line.removeprefix("ready ").strip()
        process.stdin.close()
        assert process.wait(timeout=10) == 0


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a sound config, with sections overridden, and its path.

    `write_config(rate={"tps": 50})` replaces keys of a section; None removes a key.
    """

    def write(name: str = "config.toml", **sections: dict[str, Any]) -> Path:
        values: dict[str, dict[str, Any]] = {
            "target": {
                "operation": "GetRecommendations",
                "campaign_arn": campaign_arn("user-personalization"),
            },
            "input": {"path": tmp_path / "users.parquet", "columns": {"user_id": "USER_ID"}},
            "output": {"path": tmp_path / "out"},
            "rate": {"tps": 2000, "in_flight_max": 16},
        }
        for section, keys in sections.items():
            merged = {**values.get(section, {}), **keys}
            values[section] = {key: value for key, value in merged.items() if value is not None}
        lines = []
        for section, keys in values.items():
            lines.append(f"[{section}]")
            lines += [f"{key} = {toml(value)}" for key, value in keys.items()]
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def hangups_count() -> Iterator[None]:
    """Have what is started take SIGHUP, even where the tests themselves are run with nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
