"""`plan`: what `run` would do, without one runtime call."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

import orjson

from worker.aws.access import Access
from worker.aws.control_plane import provisioned_tps
from worker.aws.login import Login
from worker.codec.digests import request_digest
from worker.codec.duplicates import FirstRows
from worker.commands.planned import SHOWN_REASONS, SHOWN_REQUESTS, DeadlinePlan, Plan
from worker.config.model import Config, Target
from worker.input.reader import RowReader
from worker.job import Job
from worker.model import Chunk, Failure
from worker.output.run_folder import check_owner, chunks_by_state
from worker.output.same_input import changed_files, check_parts
from worker.rate.choice import RateChoice
from worker.rate.deadline import RESERVE_SHARE, fit
from worker.rate.ramp import Ramp
from worker.runtime.clock import MonotonicClock
from worker.runtime.deadline import deadline_at
from worker.store.base import Store
from worker.telemetry.cost import calls_max, cost_usd


class DistinctCounter:
    """Counts distinct bodies: exactly up to `size`, beyond it within about 1/sqrt(size).

    Keeps the `size` smallest 64-bit hashes (K minimum values; Bar-Yossef et al., "Counting
    distinct elements in a data stream", 2002), so memory does not grow with the rows.
    """

    def __init__(self, size: int = 1 << 18) -> None:
        self._size = size
        self._bound = 1 << 64  # hashes from here on are not kept
        self._kept: set[int] = set()

    def add(self, digest: bytes) -> None:
        """Count a body by its digest."""
        value = int.from_bytes(digest[:8])
        if value < self._bound:
            self._kept.add(value)
            if len(self._kept) >= 2 * self._size:  # pruned now and then: constant time a row
                self._kept = set(sorted(self._kept)[: self._size])
                self._bound = max(self._kept) + 1

    @property
    def is_exact(self) -> bool:
        """Whether nothing has been dropped."""
        return self._bound == 1 << 64

    def estimate(self) -> int:
        """Return the count, exact if `is_exact`."""
        if self.is_exact:
            return len(self._kept)
        smallest = sorted(self._kept)[: self._size]
        return round((self._size - 1) * (1 << 64) / smallest[-1])


@dataclass(slots=True)
class _Seen:
    """The counts of the input's rows, as far as it is read."""

    rows: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    distinct: DistinctCounter = field(default_factory=DistinctCounter)
    first: list[Any] = field(default_factory=list)


async def ask_provisioned_tps(access: Access, target: Target) -> float:
    """Return what the target has provisioned, in calls per second; see `provisioned_tps`."""
    async with Login(access, MonotonicClock()) as login:
        return await provisioned_tps(login, target)


def make_plan(job: Job, store: Store, choice: RateChoice, *, now: datetime) -> Plan:
    """Read the rows that are left and return the plan. Blocking; makes no call.

    Raises ConflictError when the output belongs to another run or was made from other rows, as
    `run` would.
    """
    recorded = check_owner(job, store)
    done, todo = chunks_by_state(store, job.source.chunks)
    if recorded is not None:
        check_parts(job, store, recorded, done, changed_files(job.source, recorded))
    seen = _Seen()
    with job.reader() as reader:
        for chunk in todo:
            _look(seen, job, reader, chunk)
    config, refused = job.config, sum(seen.refused.values())
    calls = seen.rows - refused - seen.duplicates
    ramp, left_s = choice.ramp, _left_s(config, now)
    if left_s is not None and choice.paced_to is not None:
        fitted = fit(calls, ramp, elapsed_s=0.0, left_s=left_s, reserve_s=RESERVE_SHARE * left_s)
        ramp = ramp.below(fitted.tps)
    return Plan(
        operation=config.target.operation.value,
        target=config.target.arn,
        input_rows=job.source.rows,
        rows=seen.rows,
        rows_refused=refused,
        refused=dict(sorted(seen.refused.items(), key=lambda item: -item[1])[:SHOWN_REASONS]),
        distinct_requests=seen.distinct.estimate(),
        distinct_is_exact=seen.distinct.is_exact,
        duplicates=seen.duplicates,
        calls=calls,
        calls_max=calls_max(config),
        tps=ramp.tps,
        tps_max=choice.ramp.tps,
        seconds=round(ramp.due_at(calls), 1),  # retries come on top
        cost_usd_estimate=cost_usd(calls, config.price.per_1000_usd),
        deadline=_deadline(config, ramp, calls, left_s),
        parts=len(job.source.chunks),
        parts_done=len(done),
        first_requests=tuple(seen.first),
    )


def _look(seen: _Seen, job: Job, reader: RowReader, chunk: Chunk) -> None:
    asked = FirstRows(chunk.rows) if job.config.input.deduplicate else None
    requests = chain.from_iterable(job.builder.build(rows) for rows in reader.read(chunk))
    for row, request in enumerate(requests):
        seen.rows += 1
        if isinstance(request, Failure):
            # Messages name columns and limits; lengths in them could vary without end.
            reason = request.message if len(seen.refused) < 1000 else "other"
            seen.refused[reason] = seen.refused.get(reason, 0) + 1
        else:
            digest = request_digest(request)
            seen.distinct.add(digest)
            seen.duplicates += asked is not None and asked.find(digest, row) != row
            if len(seen.first) < SHOWN_REQUESTS:
                seen.first.append(orjson.loads(request))


def _left_s(config: Config, now: datetime) -> float | None:
    deadline = config.stop.deadline
    return None if deadline is None else (deadline_at(deadline, start=now) - now).total_seconds()


def _deadline(config: Config, ramp: Ramp, calls: int, left_s: float | None) -> DeadlinePlan | None:
    if left_s is None or config.stop.deadline is None:
        return None
    missing = max(0, calls - int(ramp.attempts_at(left_s) + 1e-6))
    return DeadlinePlan(
        deadline=config.stop.deadline,
        deadline_seconds=round(left_s, 1),
        deadline_feasible=not missing,
        deadline_tps_needed=round(calls / left_s, 3),
        deadline_rows_missing=missing,
    )
