"""A whole run into a store that has no paths: stopped, carried on, finished, reported, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over
from support.memory_store import MemoryPlace, MemoryStore
from support.runs import user_ids, write_users
from support.services import wired
from unit.transport.messages import answering, reply

from worker.aws.access import Access
from worker.commands.explain import explain
from worker.commands.run import run
from worker.errors import ConflictError, StoppedError
from worker.job import Job
from worker.output.summary import Summary
from worker.report.make import make_diff, make_report
from worker.runtime.records import as_json
from worker.runtime.stop import StopSwitch
from worker.telemetry.progress import LineView

ROWS = 30
BODY = b'{"itemList":[{"itemId":"i1"},{"itemId":"i2"}],"recommendationId":"r"}'


def opened(tmp_path: Path, **sections: Any) -> Job:
    path = tmp_path / "users.parquet"
    return job_over(
        path if path.exists() else write_users(tmp_path, ROWS),
        {"user_id": "USER_ID"},
        rate={"tps": 2000, "in_flight_max": 4},
        output={"rows_per_part": 10},
        **sections,
    )


async def made(job: Job, place: MemoryPlace) -> Summary:
    """Run the job by a process of its own."""
    async with wired(answering(reply(BODY))) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        view = LineView(per_1000_usd=None)
        result = await run(job, MemoryStore(place), access, view, StopSwitch())
    assert (result.outcome.exit_code, result.problems) == (0, [])
    return result.summary


async def test_a_run_that_was_stopped_is_carried_on_in_memory(tmp_path: Path) -> None:
    place, job = MemoryPlace(), opened(tmp_path)
    with pytest.raises(StoppedError, match="the cap of 14 calls"):
        await made(opened(tmp_path, stop={"calls_max": 14}), place)
    committed = dict(place.files)
    assert any(name.startswith("part-") for name in committed)
    assert "_SUCCESS" not in committed
    summary = await made(job, place)
    assert (summary.rows_read, summary.results, summary.calls) == (ROWS, ROWS, ROWS)
    for name, content in committed.items():
        if name.startswith("part-"):
            assert place.files[name] == content
    assert not place.spools
    assert place.holder is None
    assert orjson.loads(place.files["_SUCCESS"])["parts"] == as_json(summary.parts)
    store = MemoryStore(place)
    parts = [name for name in store.list() if name.startswith("part-")]
    rows = [row for name in parts for row in pq.read_table(store.open_read(name)).to_pylist()]
    assert [row["USER_ID"] for row in rows] == user_ids(ROWS)


async def test_a_finished_run_in_memory_is_reported_compared_and_explained(tmp_path: Path) -> None:
    place, job = MemoryPlace(), opened(tmp_path)
    await made(job, place)
    store = MemoryStore(place)
    place.files.pop("_report.html")
    assert make_report(store) == "memory:_report.html"
    assert b"<title>" in place.files["_report.html"]
    numbers = make_diff(store, store, html=None)
    assert numbers.rows.both == ROWS
    found = explain(store, "u0007")
    assert [row.state for row in found.rows] == ["done"]


async def test_a_run_in_memory_belongs_to_its_config(tmp_path: Path) -> None:
    place = MemoryPlace()
    await made(opened(tmp_path), place)
    with pytest.raises(ConflictError, match="memory: holds another run"):
        await made(opened(tmp_path, request={"num_results": 3}), place)
