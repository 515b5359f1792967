"""What `plan` shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.runtime.records import INLINE

SHOWN_REQUESTS = 3
SHOWN_REASONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePlan:
    """Whether what is left is done by `stop.deadline`, at the rate of the plan."""

    deadline: str  # as the config says it
    deadline_seconds: float  # from now on
    deadline_feasible: bool
    deadline_tps_needed: float  # calls per second, on average
    deadline_rows_missing: int  # by then; 0 if it is feasible


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What `run` would do, from now on: parts that are done are not in it, but where it says so."""

    operation: str  # the API's name for it
    target: str  # ARN
    input_rows: int  # before `where`, of all parts
    rows: int  # selected
    rows_refused: int  # that go to `_errors/` without a call
    refused: Mapping[str, int]  # these by reason, the most frequent first, SHOWN_REASONS at most
    distinct_requests: int
    distinct_is_exact: bool  # else within about 0.2 %
    duplicates: int  # rows that an identical request answers
    calls: int  # without retries
    calls_max: int | None  # the stricter cap of [stop]
    tps: float  # the rate that is gone for
    tps_max: float  # the ceiling
    seconds: float  # without retries
    cost_usd_estimate: float | None  # None: no price is known
    deadline: DeadlinePlan | None = field(default=None, metadata=INLINE)
    parts: int
    parts_done: int
    first_requests: tuple[Any, ...]  # JSON, SHOWN_REQUESTS at most
