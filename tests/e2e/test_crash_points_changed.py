"""The table of crash points, further: what the run was begun with is not there as it was."""

from __future__ import annotations

import signal
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from e2e.crashes import USERS, crash, service_with_failures, tolerant_config
from support.accounts import (
    assert_each_row_once,
    assert_only_final_names,
    assert_summary_adds_up,
    committed,
)
from support.places import mark_at, spool_at
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    kept_at,
    results,
    write_parquet,
    write_users,
)
from support.scripts import asked_for, serving

from worker.output.spool import write_spool
from worker.output.spool_format import Mark, Settled
from worker.store.local import SPOOL


def _deliver(folder: Path, users: list[str]) -> None:
    """Write the users in this order; size and footer are the same for any."""
    plain = {"compression": "none", "use_dictionary": False}
    write_parquet(folder / "users.parquet", {"USER_ID": users}, **plain)


@pytest.mark.parametrize(
    "point",
    [
        "run claimed",
        "answers received",
        "spooled",
        "errors committed",
        "part committed",
        "all parts committed",
    ],
)
def test_killed_at_and_resumed_with_the_input_in_another_order(
    point: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Whose answer it is stays right, or the run says that it is another's: never a wrong row."""
    _deliver(tmp_path, USERS)
    output = tmp_path / "out"
    with serving(service_with_failures) as service:
        config = tolerant_config(write_config, service)
        assert crash("kill", point, "run", config, folder=tmp_path).returncode == -signal.SIGKILL
    before = committed(output)
    done = 10 * len([name for name in before if name.startswith("part-")])
    # Another service: requests of the run that was killed may still have been on their way.
    with serving(service_with_failures) as service:
        config = tolerant_config(write_config, service)
        if done:
            _deliver(tmp_path, [USERS[1], USERS[0], *USERS[2:]])
            result = command("run", config)
            assert_advice(result, 6, "part-00000.parquet was made from", "users.parquet")
            assert (committed(output), service.received) == (before, [])
        users = [*USERS[:done], *reversed(USERS[done:])]
        _deliver(tmp_path, users)
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert_each_row_once(output, users)
    assert_summary_adds_up(output)
    assert_only_final_names(output)
    for row in results(output).to_pylist():
        assert row["items"][0]["item_id"] == f"item-of-{row['USER_ID']}"


def _of_format_2(path: Path) -> None:
    """Leave what an older version would have: rows without run and digest, in blocks of its own."""
    entry, body = b'[0,2,2745614147,1,0,5,0.5,"q"]', b"{}"
    head = struct.pack("<4sIQQQI", b"PWS2", len(entry), len(body), 0, 0, zlib.crc32(entry))
    path.write_bytes(head + struct.pack("<I", zlib.crc32(head)) + entry + body)


def _marked(path: Path, *, run: str | None = None, owner: str = "local") -> None:
    """Leave the same answers to the same requests, as another has written them."""
    own, spool = mark_at(path), kept_at(path)
    digests = spool.kept(0, 10)[1]
    rows = [
        Settled(row, outcome, bytes(digests[16 * row : 16 * (row + 1)]))
        for row, outcome in spool.rows(0, 10).items()
    ]
    path.unlink()
    write_spool(spool_at(path), Mark(run or own.run, own.chunk, owner), [rows])


@pytest.mark.parametrize(
    ("change", "is_believed"),
    [
        (_of_format_2, False),
        (partial(_marked, run="f" * 16), False),
        (partial(_marked, owner="3/8"), True),
    ],
    ids=["of an older format", "of another run", "of another owner of this run"],
)
def test_killed_and_resumed_with_a_spool(
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
    change: Callable[[Path], None],
    *,
    is_believed: bool,
) -> None:
    write_users(tmp_path, len(USERS))
    output = tmp_path / "out"
    with serving(service_with_failures) as service:
        config = tolerant_config(write_config, service)
        assert crash("kill", "spooled", "run", config, folder=tmp_path).returncode < 0
        (path,) = output.glob(f"{SPOOL}/*/part-00002.parquet")
        kept = {USERS[20 + row] for row in kept_at(path).rows(0, 10)}
        assert kept
        change(path)
        called = len(service.received)
        result = command("run", config)
        assert result.returncode == 0, result.stderr
        asked_again = kept & {asked_for(request) for request in service.received[called:]}
        assert asked_again == (set() if is_believed else kept)
    assert_each_row_once(output, USERS)
    assert_summary_adds_up(output)
    assert_only_final_names(output)
