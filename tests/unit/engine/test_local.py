"""Work on Chunks in this process: what its parts have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.jobs import job_over
from support.runs import write_users
from support.services import wired
from unit.transport.messages import answering, reply

from worker.aws.access import Access
from worker.aws.login import Login
from worker.engine import local
from worker.engine.base import Share
from worker.pipeline import _memory
from worker.pipeline.handout import InOrder
from worker.rate.choice import choose_rate
from worker.runtime.clock import MonotonicClock
from worker.runtime.stop import StopSwitch
from worker.store.local import LocalStore
from worker.telemetry.listener import RunListener
from worker.telemetry.tally import Tally
from worker.transport.intake import Flow, Intake

MIB = 1 << 20
BODY = b'{"itemList":[],"recommendationId":"r","x":"' + b"y" * MIB + b'"}'


class Watched(Intake):
    """An intake that knows what was asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.entered_bytes = self.times_shut = 0

    def enter(self, flow: Flow, size: int) -> None:
        super().enter(flow, size)
        self.entered_bytes += size

    def shut(self, *, is_shut: bool) -> None:
        super().shut(is_shut=is_shut)
        self.times_shut += is_shut


@pytest.mark.parametrize("transport", ["wire", "sdk"])
async def test_answers_on_their_way_wait_while_whole_ones_have_no_room(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one intake both know: the transport, and the pipeline that shuts it."""
    intake = Watched()
    monkeypatch.setattr(local, "Intake", lambda: intake)
    monkeypatch.setattr(_memory, "SPOOLED_FROM_BYTES", MIB)
    job = job_over(
        write_users(tmp_path, 8),
        {"user_id": "USER_ID"},
        target={"transport": transport},
        rate={"tps": 1000, "in_flight_max": 4},
    )
    tally, store = Tally(rows_expected=8), LocalStore(tmp_path / "out")
    async with wired(answering(reply(BODY))) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        rate = choose_rate(job.config.rate, job.config.stop, provisioned_tps=None)
        clock = MonotonicClock()
        async with Login(access, clock) as login:
            with store.claim():
                await local.work(
                    job, InOrder(job.source.chunks), Share(rate=rate, calls_max=None), tally=tally,
                    store=store, login=login, listener=RunListener(), switch=StopSwitch(),
                    clock=clock,
                )  # fmt: skip
    assert tally.results == 8
    assert intake.entered_bytes > MIB
    assert intake.times_shut > 0
    assert intake.held_bytes == 0
