"""What is remembered of a capacity from one run to the next."""

from __future__ import annotations

import os
import time
from pathlib import Path

import orjson
import pytest

from worker.rate.remembered import (
    AGE_S_MAX,
    ENTRIES_MAX,
    LOOPBACK_AGE_S_MAX,
    ceiling_key,
    remember_tps,
    remembered_tps,
)

KEY = ceiling_key("arn:aws:personalize:us-east-1:000000000000:campaign/c", "us-east-1", None)


@pytest.fixture
def file() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "personalize-worker" / "ceilings.json"


def test_each_target_has_its_own(file: Path) -> None:
    other = ceiling_key("arn:aws:personalize:us-east-1:000000000000:campaign/c", "us-east-1", "x")
    remember_tps(KEY, 123.4567)
    remember_tps(other, 5.0)
    assert (remembered_tps(KEY), remembered_tps(other)) == (123.457, 5.0)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_without_a_file_nothing_is_remembered() -> None:
    assert remembered_tps(KEY) is None


def test_what_is_old_is_forgotten(file: Path) -> None:
    now_s = time.time()
    file.parent.mkdir(parents=True)
    entries = {KEY: [50.0, now_s - AGE_S_MAX - 1], "recent": [60.0, now_s - AGE_S_MAX + 60]}
    file.write_bytes(orjson.dumps(entries))
    assert (remembered_tps(KEY), remembered_tps("recent")) == (None, 60.0)
    remember_tps("new", 1.0)
    assert orjson.loads(file.read_bytes()).keys() == {"recent", "new"}


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "10.0.0.1", "emulator"])
def test_what_was_found_on_this_machine_is_forgotten_after_an_hour(file: Path, host: str) -> None:
    """Each emulator of a test has a port of its own."""
    file.parent.mkdir(parents=True)
    now_s, arn = time.time(), "arn:aws:personalize:us-east-1:000000000000:campaign/c"
    old, recent = (
        ceiling_key(arn, "us-east-1", f"http://{host}:{port}") for port in (40001, 40002)
    )
    entries = {
        old: [50.0, now_s - LOOPBACK_AGE_S_MAX - 1],
        recent: [60.0, now_s - LOOPBACK_AGE_S_MAX + 60],
    }
    file.write_bytes(orjson.dumps(entries))
    is_away = host in ("10.0.0.1", "emulator")
    assert (remembered_tps(old), remembered_tps(recent)) == (50.0 if is_away else None, 60.0)
    remember_tps(KEY, 1.0)
    assert (old in orjson.loads(file.read_bytes())) == is_away


def test_the_oldest_go_when_there_are_too_many(file: Path) -> None:
    now_s = time.time()
    file.parent.mkdir(parents=True)
    entries = {f"{age}": [1.0, now_s - age] for age in range(ENTRIES_MAX)}
    file.write_bytes(orjson.dumps(entries))
    remember_tps(KEY, 2.0)
    kept = orjson.loads(file.read_bytes())
    assert len(kept) == ENTRIES_MAX
    assert (KEY in kept, "0" in kept, f"{ENTRIES_MAX - 1}" in kept) == (True, True, False)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"3", b'{"a": 1}', b'{"a": ["x", "y"]}', b'{"a": [null, null]}'],
)
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert remembered_tps(KEY) is None
    remember_tps(KEY, 7.0)
    assert remembered_tps(KEY) == 7.0


@pytest.mark.parametrize("tps", [0, -1, 1e999])
def test_a_capacity_that_is_none_is_not_believed(file: Path, tps: float) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(f'{{"{KEY}": [{"1e999" if tps > 1 else tps}, {time.time()}]}}')
    assert remembered_tps(KEY) is None


def test_a_folder_that_cannot_be_written_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a folder should be there is a file: that stops root, too."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    remember_tps(KEY, 7.0)
    assert remembered_tps(KEY) is None


def test_without_the_variable_it_is_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "not/absolute"):
        monkeypatch.setenv("XDG_STATE_HOME", value)
        remember_tps(KEY, 7.0)
    assert (tmp_path / ".local/state/personalize-worker/ceilings.json").exists()
