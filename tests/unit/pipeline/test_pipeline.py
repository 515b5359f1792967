"""The pipeline as a whole: what it tells when its last task fails, and of its time."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over
from support.lanes import leave, make_lane

from worker.call.lane import Lane
from worker.errors import OutputError, leaves
from worker.model import Answer, Batch, Failure
from worker.output.part_writer import PartWriter
from worker.pipeline.handout import InOrder
from worker.pipeline.pipeline import run_chunks
from worker.runtime.stop import StopSwitch
from worker.runtime.thread_load import Load
from worker.store.local import LocalStore
from worker.telemetry.listener import Committed, RunListener
from worker.telemetry.tally import Tally
from worker.transport.base import SENT_BACK, Turn


class Echo:
    """A transport that answers at once, or nearly."""

    def __init__(self) -> None:
        self.called_s: list[float] = []

    async def call(self, _: bytes, turn: Turn | None = None) -> Answer | Failure:
        if turn is not None and not await leave(turn):
            return SENT_BACK
        self.called_s.append(time.monotonic())
        await anyio.lowlevel.checkpoint()
        return Answer(b'{"itemList":[],"recommendationId":"r"}', "q")

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        del since_s
        return failure


class Parts(RunListener):
    """Remembers which parts were committed."""

    def __init__(self) -> None:
        self.committed_parts: list[Committed] = []

    def committed(self, part: Committed) -> None:
        self.committed_parts.append(part)


async def _run(
    folder: Path, rows: int, *, rows_per_part: int = 1, transport: Echo | None = None
) -> list[Committed]:
    """Run rows; as a part each, lanes hand over all the time. Return the parts."""
    ids = [f"u{row}" for row in range(rows)]
    pq.write_table(pa.table({"USER_ID": ids}), folder / "in.parquet")
    job = job_over(
        folder / "in.parquet",
        {"user_id": "USER_ID"},
        output={"rows_per_part": rows_per_part},
        rate={"tps": 100_000, "in_flight_max": 64},
    )
    switch, tally, store = StopSwitch(), Tally(rows_expected=rows), LocalStore(folder / "out")
    lane = make_lane(transport or Echo(), switch=switch, tally=tally, tps=100_000)
    listener = Parts()
    with store.claim():
        await run_chunks(
            job, InOrder(job.source.chunks), lane=lane, tally=tally, switch=switch, store=store,
            listener=listener,
        )  # fmt: skip
    return listener.committed_parts


async def test_lanes_that_are_done_while_the_drain_fails_are_no_failure_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OutputError("the disk is full", hint="make room")

    monkeypatch.setattr(PartWriter, "add", refuse)
    for attempt in range(8):  # it is a matter of order in the event loop
        (tmp_path / str(attempt)).mkdir()
        with pytest.raises(ExceptionGroup) as caught:
            await _run(tmp_path / str(attempt), 500)
        assert {type(error) for error in leaves(caught.value)} == {OutputError}


@pytest.mark.parametrize("is_busy", [True, False])
async def test_row_groups_are_written_in_order_beside_the_batches_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_busy: bool
) -> None:
    monkeypatch.setattr("worker.output.row_groups.ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(Load, "share", lambda _: 0.7 if is_busy else 0.5)
    await _run(tmp_path, 5000, rows_per_part=5000)
    part = pq.ParquetFile(tmp_path / "out" / "part-00000.parquet")
    assert part.num_row_groups == 5
    assert part.read(["USER_ID"])["USER_ID"].to_pylist() == [f"u{row}" for row in range(5000)]


async def test_a_row_group_that_the_disk_refuses_ends_the_run_without_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OutputError("the disk is full", hint="make room")

    monkeypatch.setattr("worker.output.row_groups.ROW_GROUP_BYTES", 1)
    monkeypatch.setattr(PartWriter, "write", refuse)
    with pytest.raises(ExceptionGroup) as caught:
        await _run(tmp_path, 5000, rows_per_part=5000)
    assert {type(error) for error in leaves(caught.value)} == {OutputError}
    assert not list((tmp_path / "out").glob("part-*"))


@pytest.mark.parametrize("is_busy", [True, False])
@pytest.mark.parametrize("is_held_back", [True, False])
async def test_the_event_loop_decodes_where_a_thread_beside_it_would_be_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_busy: bool, is_held_back: bool
) -> None:
    threads = set[int]()
    real = PartWriter.add

    def add(writer: PartWriter, batch: Batch) -> dict[int, Failure]:
        threads.add(threading.get_ident())
        return real(writer, batch)

    monkeypatch.setattr(PartWriter, "add", add)
    monkeypatch.setattr(Load, "share", lambda _: 0.7 if is_busy else 0.5)
    monkeypatch.setattr(Lane, "is_held_back", is_held_back)
    await _run(tmp_path, 30)
    assert (threading.get_ident() in threads) == (is_busy and not is_held_back)


async def test_the_seconds_of_all_parts_together_are_those_that_it_took(tmp_path: Path) -> None:
    echo, begun_s = Echo(), time.monotonic()
    parts = await _run(tmp_path, 30, transport=echo)
    took_s = time.monotonic() - begun_s
    assert len(parts) == 30
    called_s = echo.called_s[-1] - echo.called_s[0]
    assert called_s <= sum(each.seconds for each in parts) <= took_s
