"""The output folder: whose it is, and what is on the disk when."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from worker.errors import OutputError
from worker.store import local as module
from worker.store.local import LOCK, TEMPORARY, LocalStore


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of what is synced from now on."""
    names, real = list[str](), module._sync

    def note(path: Path) -> None:
        names.append(path.name)
        real(path)

    monkeypatch.setattr(module, "_sync", note)
    return names


def test_a_file_is_on_the_disk_before_its_name_and_its_name_before_the_commit_returns(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def note(self: Path, target: Path) -> Path:
        synced.append("renamed")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", note)
    store = LocalStore(tmp_path / "out")
    with store.claim():
        assert synced == [tmp_path.name]  # the folder's own name
        store.write("part", b"content")
        assert synced[1:] == ["part", "renamed", "out"]


def test_a_file_that_is_removed_does_not_come_back_after_a_crash_of_the_machine(
    tmp_path: Path, synced: list[str]
) -> None:
    """Failed rows of an attempt before, say, beside the results of the next."""
    store = LocalStore(tmp_path)
    with store.claim():
        store.write("_errors/part", b"content")
        synced.clear()
        store.remove("_errors/part")
        assert synced == ["_errors"]
        store.remove("_errors/part")


def test_a_folder_that_was_replaced_is_neither_written_nor_cleared(tmp_path: Path) -> None:
    first, second = LocalStore(tmp_path / "out"), LocalStore(tmp_path / "out")
    with ExitStack() as seconds:
        with first.claim():
            (tmp_path / "out").rename(tmp_path / "moved")
            seconds.enter_context(second.claim())
            second.write("part", b"of the second")
            for forbidden in (
                partial(first.write, "part", b"of the first"),
                partial(first.remove, "part"),
                first.clear_spools,
            ):
                with pytest.raises(OutputError, match="removed or replaced"):
                    forbidden()
        assert (tmp_path / "out" / "part").read_bytes() == b"of the second"
        assert {path.name for path in (tmp_path / "out").iterdir()} == {LOCK, TEMPORARY, "part"}
        second.write("part", b"again")


def test_a_lock_on_a_full_disk_is_a_lock_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", refuse)
    with LocalStore(tmp_path).claim():
        assert (tmp_path / LOCK).read_text() == ""
