"""The keeper: how a slow disk holds calls back, so that a kill costs seconds all the same."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anyio
import pyarrow as pa
import pytest
from anyio import to_thread
from support.places import spool_path

from worker.model import Answer, Batch, Chunk, Outcome, Piece
from worker.output.spool import Spool, SpoolWriter
from worker.output.spool_format import Mark
from worker.pipeline import _spool_keeper
from worker.pipeline._memory import MemoryBound
from worker.pipeline._spool_keeper import SpoolKeeper
from worker.store import _local_spool
from worker.store.local import LocalStore

OUTCOME = Outcome(Answer(b"{}", "r"), 1, 0, 1, 1.0)
CHUNK = Chunk(index=0, pieces=(Piece(path="p", row_group=0, offset=0, rows=2),))


def _batch() -> Batch:
    rows = pa.RecordBatch.from_pylist([{"USER_ID": "a"}, {"USER_ID": "b"}])
    return Batch(
        chunk=CHUNK, sequence=0, first_row=0, is_last=True, rows=rows,
        outcomes=[OUTCOME, None], open_rows=1, held_bytes=0, kept=bytearray(2),
        digests=bytearray(32),
    )  # fmt: skip


class WatchedMemory(MemoryBound):
    """Tells when no call may begin any more."""

    def __init__(self, rows_max: int) -> None:
        super().__init__(rows_max)
        self.closed = anyio.Event()

    def close(self) -> None:
        super().close()
        self.closed.set()


async def test_no_call_begins_while_a_block_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, go_on = SpoolWriter.append, threading.Event()

    def slow(self: SpoolWriter, block: list[bytes]) -> None:
        assert go_on.wait(30)
        real(self, block)

    monkeypatch.setattr(SpoolWriter, "append", slow)
    monkeypatch.setattr(_spool_keeper, "LATE_S", 0.01)
    store, memory, batch = LocalStore(tmp_path / "out"), WatchedMemory(10), _batch()
    with store.claim():
        keeper = SpoolKeeper(store, "run", memory, parts_done=0)
        keeper.keep(batch, 0, OUTCOME)
        async with anyio.create_task_group() as group:
            group.start_soon(keeper.flush)
            await memory.closed.wait()
            assert not memory.may_call(batch)
            group.start_soon(memory.wait_to_call, batch)
            go_on.set()
        assert memory.may_call(batch)
        await keeper.close()
    kept = Spool(store.spool("run", CHUNK.part_name), Mark.of("run", CHUNK))
    assert kept.rows(0, 2) == {0: OUTCOME}


async def test_what_was_written_is_synced_with_its_folders_every_two_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash of the whole machine is to cost no more than a kill."""
    synced = list[int]()
    monkeypatch.setattr(_spool_keeper, "FLUSH_S", 0.001)
    monkeypatch.setattr(
        _local_spool, "_sync_data", lambda file: synced.append(os.fstat(file).st_ino)
    )
    store, batch = LocalStore(tmp_path / "out"), _batch()
    folders, is_synced = list[str](), threading.Event()

    def sync(path: object) -> None:
        folders.append(str(path))
        if str(path) == store.place:
            is_synced.set()

    with store.claim():
        monkeypatch.setattr("worker.store.local._sync", sync)
        keeper = SpoolKeeper(store, "run", MemoryBound(10), parts_done=0)
        keeper.keep(batch, 0, OUTCOME)
        async with anyio.create_task_group() as group:
            group.start_soon(keeper.run)
            assert await to_thread.run_sync(is_synced.wait, 30)
            group.cancel_scope.cancel()
        path = spool_path(store, "run", CHUNK.part_name)
        assert synced == [path.stat().st_ino]
        assert folders[:3] == [str(folder) for folder in list(path.parents)[:3]]
        await keeper.close()


async def test_nothing_is_kept_in_a_folder_that_was_replaced(tmp_path: Path) -> None:
    store, batch = LocalStore(tmp_path / "out"), _batch()
    with store.claim():
        keeper = SpoolKeeper(store, "run", MemoryBound(10), parts_done=0)
        keeper.keep(batch, 0, OUTCOME)
        (tmp_path / "out").rename(tmp_path / "moved")
        (tmp_path / "out").mkdir()
        with pytest.raises(ExceptionGroup) as caught:
            await keeper.flush()
        assert "removed or replaced" in str(caught.value.exceptions[0])
    assert list((tmp_path / "out").iterdir()) == []
