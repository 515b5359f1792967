"""Folders of load tests that never were: result and timeline, without a call."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.places import path_of
from support.runs import campaign_arn

from worker.config.model import Config
from worker.config.thresholds import parse_threshold
from worker.loadtest.measure import Attempt, Interval, Kinds, Measures, Meter
from worker.loadtest.result import (
    Judgement,
    Searched,
    StageAsked,
    aborted,
    beginning,
    concluded,
    ended,
    search_result,
)
from worker.loadtest.search import Found
from worker.loadtest.timeline_file import line_of
from worker.loadtest.verdict import judged, verdict
from worker.model import Failure
from worker.runtime.records import json_bytes
from worker.store.local import LocalStore

BEGUN = "2026-11-22T03:00:00.000+00:00"
ENDED = "2026-11-22T04:00:00.000+00:00"
_CALLS_MAX = 20_000  # of a stage, as histograms hold them; counts are of all
CODES = ("TimedOut", "InternalFailure", "ServiceUnavailable", "ConnectionLost", "<b>odd</b>", "Z")


def make_loadtest(
    folder: Path,
    rates: Sequence[tuple[float, float]] = ((50, 5), (100, 10)),
    *,
    state: str = "finished",
    thresholds: Sequence[str] = (),
    invalid: Sequence[str] = (),
    search: dict[str, Any] | None = None,
    trouble_share: float = 0.0,
    found: Found | None = None,
) -> LocalStore:
    """Write a load test of stages (tps, seconds), or a search whose steps these are.

    `trouble_share` of the calls of the second half are throttled, and as many fail. `state` is
    what it came to; "running" and "aborted" have a timeline, but no result.
    """
    folder.mkdir(parents=True, exist_ok=True)
    store = LocalStore(folder)
    stages = [{"tps": tps, "seconds": seconds} for tps, seconds in rates]
    wanted = {"search": search} if search else {"stages": stages}
    values: dict[str, Any] = {
        "target": {"operation": "GetRecommendations", "campaign_arn": campaign_arn("made")},
        "input": {"path": "users.parquet", "columns": {"user_id": "USER_ID"}},
        "output": {"path": str(folder)},
        "price": {"per_1000_usd": 0.0556},
        "loadtest": {**wanted, "thresholds": list(thresholds)},
    }
    result = beginning(Config.model_validate(values), started_at=BEGUN)
    measures = [_measures(tps, seconds, trouble_share) for tps, seconds in rates]
    kept = judged([parse_threshold(text) for text in thresholds], measures[-1].metrics())
    if state == "aborted":
        result = aborted(result, "the disk is full", ended_at=ENDED)
    elif state != "running":
        judgement = Judgement(
            verdict=verdict(
                stopped="SIGTERM" if state == "stopped" else None,
                invalid=invalid,
                thresholds=kept,
                failed="no rate was held" if found and found.held_tps is None else None,
            ),
            thresholds=kept,
            search=search_result(found, measures[-1], per_1000_usd=0.0556) if found else None,
        )
        conclusion = concluded(
            stages=[_stage(n, len(rates), *rate, found) for n, rate in enumerate(rates)],
            measures=measures,
            judgement=judgement,
            per_1000_usd=0.0556,
            files={"timeline": "_loadtest_timeline.jsonl"},
        )
        result = ended(result, conclusion, ended_at=ENDED)
    path_of(store, "_loadtest.json").write_bytes(json_bytes(result))
    lines = map(line_of, _intervals(rates, trouble_share))
    path_of(store, "_loadtest_timeline.jsonl").write_bytes(b"".join(lines))
    return store


def _stage(number: int, of: int, tps: float, seconds: float, found: Found | None) -> StageAsked:
    name, searched = f"{number + 1} of {of}", None
    if found is not None:
        name = "confirm" if number == of - 1 else "grow" if number % 2 else "bisect"
        searched = Searched(phase=name, held=tps <= (found.held_tps or 0))
    return StageAsked(
        name=name, searched=searched, from_tps=tps, to_tps=tps, planned_seconds=seconds
    )


def _measures(tps: float, seconds: float, trouble_share: float) -> Measures:
    kinds = Kinds()
    meter = Meter(kinds)
    dice = random.Random(7)
    throttled = kinds.number(Failure("ThrottlingException", "slow down", 429))
    codes = [kinds.number(Failure(code, "it failed", 500)) for code in CODES]
    attempts = []
    for n in range(calls := min(_CALLS_MAX, round(tps * seconds))):
        due_s = n * seconds / calls
        sent_s = due_s + dice.expovariate(1000)
        kind, chance = 0, dice.random()
        if n >= calls / 2 and chance < trouble_share:
            kind = throttled
        elif n >= calls / 2 and chance < 2 * trouble_share:
            kind = codes[n % len(codes)]
        done_s = sent_s + dice.lognormvariate(math.log(0.03), 0.5)
        attempts.append(Attempt(0, due_s, sent_s, done_s, kind, n))
    meter.take(attempts)
    made = meter.stage(0)
    made.seconds, made.wall_s, made.busy_s = seconds, seconds, 0.2 * seconds
    return made


def _intervals(rates: Sequence[tuple[float, float]], trouble_share: float) -> list[Interval]:
    dice = random.Random(8)
    length, made = round(sum(seconds for _, seconds in rates)), list[Interval]()
    for stage, (tps, seconds) in enumerate(rates):
        for _ in range(round(seconds)):
            at_s = len(made) + 1.0
            troubles = round(tps * min(trouble_share, 0.5)) if at_s > length / 2 else 0
            errors = Counter(CODES[dice.randrange(len(CODES))] for _ in range(troubles))
            wave = 1 + 0.4 * math.sin(at_s * 12 / length) + dice.random() / 5
            made.append(
                Interval(
                    at_s=at_s,
                    seconds=1.0,
                    stage=stage,
                    target_tps=tps,
                    sent=round(tps),
                    successes=round(tps) - 2 * troubles,
                    throttles=troubles,
                    errors=troubles,
                    errors_by_code=dict(errors),
                    missed=0,
                    in_flight=round(tps * 0.03),
                    p50_ms=30 * wave,
                    p99_ms=95 * wave,
                    max_ms=120 * wave * (8 if dice.random() < 0.02 else 1),
                    late_ms_max=2 + 3 * dice.random(),
                    loop_lag_ms_max=dice.random() * 2,
                    cpu_share=0.2 + tps / 10_000,
                )
            )
    return made
