"""The pipeline's end when its last task fails: that failure is told, and nothing else."""

import random
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import campaign_arn

from worker.clock import MonotonicClock
from worker.config import Config
from worker.errors import OutputError, leaves
from worker.job import open_job
from worker.lane import Lane
from worker.model import Answer
from worker.pace import Pacer, Ramp
from worker.pipeline import run_chunks
from worker.retry import RetryBudget
from worker.stop import StopSwitch
from worker.store import LocalStore
from worker.tally import Tally
from worker.write import PartWriter


class Echo:
    """A transport that answers at once, or nearly."""

    async def call(self, _request: bytes) -> Answer:
        await anyio.lowlevel.checkpoint()
        return Answer(b'{"itemList":[],"recommendationId":"r"}', "q")


async def test_lanes_that_are_done_while_the_drain_fails_are_no_failure_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is a batch here, so that lanes hand batches over all the time."""

    def refuse(*_: Any) -> None:
        raise OutputError("the disk is full", hint="make room")

    monkeypatch.setattr(PartWriter, "add", refuse)
    pq.write_table(
        pa.table({"USER_ID": [f"u{row}" for row in range(500)]}), tmp_path / "in.parquet"
    )
    arn = campaign_arn("user-personalization")
    job = open_job(
        Config.model_validate(
            {
                "target": {"operation": "GetRecommendations", "campaign_arn": arn},
                "input": {"path": str(tmp_path / "in.parquet"), "columns": {"user_id": "USER_ID"}},
                "output": {"path": str(tmp_path / "out"), "rows_per_part": 1},
                "rate": {"tps": 100_000, "in_flight_max": 64},
            }
        )
    )
    switch, tally, store = StopSwitch(), Tally(rows_expected=500), LocalStore(tmp_path / "out")
    lane = Lane(
        transport=Echo(),
        pacer=Pacer(Ramp.climbing(tps=100_000, ramp_s=0, ramp_from=None), MonotonicClock()),
        budget=RetryBudget(0.2),
        switch=switch,
        tally=tally,
        attempts_max=1,
        calls_max=None,
        rng=random.Random(1),
    )
    with store.writing(), pytest.raises(ExceptionGroup) as caught:
        await run_chunks(
            job, job.source.chunks, lane=lane, tally=tally, switch=switch, store=store,
            on_commit=lambda *_: None,
        )  # fmt: skip
    assert {type(error) for error in leaves(caught.value)} == {OutputError}
