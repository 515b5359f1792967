"""What people read of a load test, while it runs and afterwards."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.runs import campaign_arn

from worker.commands.loadtest_result import LoadTestResult
from worker.config.model import Config
from worker.loadtest.measure import Interval, Measures
from worker.loadtest.observer import Status
from worker.loadtest.result import (
    Conclusion,
    Judgement,
    SearchResult,
    StageAsked,
    beginning,
    concluded,
    ended,
    search_result,
)
from worker.loadtest.search import Found
from worker.loadtest.text import show_loadtest
from worker.loadtest.verdict import LoadOutcome, Verdict
from worker.loadtest.view import rows

CONFIG = Config.model_validate(
    {
        "target": {"operation": "GetRecommendations", "campaign_arn": campaign_arn("c")},
        "input": {"path": "users.parquet", "columns": {"user_id": "USER_ID"}},
        "output": {"path": "out"},
    }
)
INTERVAL = Interval(
    at_s=12.0,
    seconds=2.0,
    stage=1,
    target_tps=500.0,
    sent=900,
    successes=890,
    throttles=8,
    errors=2,
    errors_by_code={"TimedOut": 2},
    missed=0,
    in_flight=37,
    p50_ms=21.4,
    p99_ms=180.0,
    max_ms=900.0,
    late_ms_max=1.0,
    loop_lag_ms_max=1.0,
    cpu_share=0.2,
)


def total(**changed: Any) -> Measures:
    made = Measures(calls=6000, successes=5988, throttles=8, seconds=12.0)
    made.errors.update({"TimedOut": 3, "InternalFailure": 1})
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def test_the_live_view_shows_rates_latencies_failures_cost_and_time_left() -> None:
    status = Status(labels=["1 of 3", "2 of 3"], seconds=3600.0, last=INTERVAL, total=total(late=7))
    shown = dict(rows(status, per_1000_usd=0.5))
    assert shown["test"].startswith("2 of 3, ETA ")
    assert shown["rate"] == "[cyan]450/s[/] of 500/s"
    assert shown["in flight"] == "37"
    assert shown["latency"] == "p50 21 ms, p99 180 ms"
    assert shown["calls"] == "6,000, $3.00 (estimate)"
    assert shown["throttled"] == "[yellow]8[/]"
    assert shown["failed"] == "[red]3 TimedOut, 1 InternalFailure[/]"
    assert shown["client"] == "[yellow]7 calls late or missed[/]"


def test_before_anything_has_ended_the_live_view_is_short() -> None:
    shown = dict(rows(Status(), per_1000_usd=None))
    assert list(shown) == ["test", "calls", "throttled", "failed"]
    assert shown["failed"] == "none"
    assert "so far" in shown["test"]


def conclusion(outcome: str, reasons: list[str], search: SearchResult | None = None) -> Conclusion:
    verdict = Verdict(outcome=LoadOutcome(outcome), reasons=tuple(reasons))
    asked = StageAsked(name="1 of 1", from_tps=500.0, to_tps=500.0, planned_seconds=12.0)
    return concluded(
        stages=[asked],
        measures=[total()],
        judgement=Judgement(verdict=verdict, thresholds=(), search=search),
        per_1000_usd=None,
        files={},
    )


@pytest.mark.parametrize(
    ("outcome", "code", "says"),
    [
        ("passed", 0, ""),
        ("failed", 5, "the load test failed: because"),
        ("invalid", 5, "the result is not valid: because"),
        ("stopped", 75, "stopped before the end: because"),
    ],
)
def test_each_outcome_has_its_exit_code_and_its_advice(outcome: str, code: int, says: str) -> None:
    found = conclusion(outcome, ["because"] if code else [])
    began = beginning(CONFIG, started_at="then")
    result = LoadTestResult(record=ended(began, found, ended_at="now"), conclusion=found)
    assert result.outcome.exit_code == code
    assert [problem.what for problem in result.problems] == ([says] if says else [])
    assert all(problem.hint for problem in result.problems)
    assert result.record.state == ("stopped" if outcome == "stopped" else "finished")
    assert outcome.upper() in show_loadtest(found, "out")


def test_what_a_search_found_is_said_with_how_sure_that_is_and_what_it_costs() -> None:
    found = Found(held_tps=99.5, at_once_tps=60.0, failed_tps=100.5)
    search = search_result(found, total(), per_1000_usd=0.0556)
    assert search.min_provisioned_tps_recommended == 100
    assert search.month_usd_estimate == pytest.approx(100 * 0.0556 * 3.6 * 730)
    assert search.confidence is not None
    low, high = search.confidence.throttle_share
    assert 0 < low < 8 / 6000 < high < 0.005
    sure = replace(search.confidence, p99_ms=(170.0, 190.0))  # there are no latencies in `total`
    search = replace(search, confidence=sure)
    text = show_loadtest(conclusion("passed", [], search), "out")
    for part in (
        "99.5/s; 100.5/s was not held",
        "60.0/s, before the service had scaled out",
        "6,000 calls in 12.0s; 95 % sure: p99 170 to 190 ms",
        "minProvisionedTPS = 100 holds that rate at any moment, $14,612 a month (estimate",
    ):
        assert part in text


def test_a_search_without_a_rate_recommends_none() -> None:
    found = Found(held_tps=None, at_once_tps=None, failed_tps=0.6)
    search = search_result(found, None, per_1000_usd=0.0556)
    assert search.min_provisioned_tps_recommended is search.month_usd_estimate is None
