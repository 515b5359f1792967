"""A part of a run that is damaged: whoever reads it says so, and what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs import RunCommand, WriteConfig, assert_advice, write_users
from support.scripts import echo, serving


def _cut(part: Path) -> None:
    part.write_bytes(part.read_bytes()[:-100])


def _overwritten(part: Path) -> None:
    part.write_bytes(b"PAR1 and no more of it")


@pytest.mark.parametrize("damage", [_cut, _overwritten])
def test_explain_report_and_diff_name_it(
    damage: Callable[[Path], None], tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 9)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, output={"rows_per_part": 3})
        assert command("run", config).returncode == 0
    damage(tmp_path / "out" / "part-00001.parquet")
    for words in (("explain", "out", "u0004"), ("report", "out"), ("diff", "out", "out")):
        assert_advice(command(*words), 6, "part-00001.parquet", "move it away and run again")


def test_a_folder_whose_name_is_not_utf_8_is_read_like_any_other(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """A run makes none: a config is UTF-8. Someone may rename its folder, though."""
    write_users(tmp_path, 3)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        assert command("run", config).returncode == 0
    odd = os.fsdecode(b"o\xff")
    (tmp_path / "out").rename(tmp_path / odd)
    for words in (("explain", odd, "u0001"), ("diff", odd, odd, "--html", "diff.html")):
        assert command(*words).returncode == 0
    assert command("report", odd).stdout == "o\\udcff/_report.html\n"
