"""What calls come to, and what is concluded from it."""

from __future__ import annotations

import random
from statistics import quantiles

import pyarrow as pa
import pytest
from hdrh.histogram import HdrHistogram

from worker.config.thresholds import METRICS, parse_threshold
from worker.loadtest._latencies import Latencies, merged
from worker.loadtest.measure import Attempt, Kinds, Measures, Meter, together, wilson
from worker.loadtest.verdict import client_limits, judged, verdict
from worker.model import Failure


def latencies(*values_us: float) -> Latencies:
    made = Latencies()
    made.record(pa.array(values_us, pa.float64()))
    return made


def test_quantiles_are_within_a_third_of_a_percent() -> None:
    rng = random.Random(1)
    values = [rng.lognormvariate(10, 1) for _ in range(20_000)]
    made = latencies(*values)
    exact = quantiles(values, n=1000, method="inclusive")
    for permille in (1, 100, 500, 900, 990, 999):
        assert made.quantile_ms(permille / 1000) == pytest.approx(
            exact[permille - 1] / 1e3, rel=0.0033 if 1 < permille < 999 else 0.02
        )
    assert made.count == 20_000
    assert made.quantile_ms(1.0) == pytest.approx(max(values) / 1e3, rel=0.0033)


def test_what_is_beyond_the_range_counts_as_its_end() -> None:
    made = latencies(0.0, -3.0, 1e12)
    assert made.count == 3
    assert made.quantile_ms(0.1) == pytest.approx(0.001)
    assert made.quantile_ms(1.0) == pytest.approx(600_000, rel=0.001)


def test_histograms_merge_and_are_written_in_a_format_that_others_read() -> None:
    whole = merged([latencies(1000.0), latencies(2000.0, 3000.0)])
    read = HdrHistogram.decode(whole.encoded())
    assert read.get_total_count() == 3
    assert read.get_value_at_percentile(50.0) == pytest.approx(2000, rel=0.005)
    assert Latencies().quantile_ms(0.5) is None


THROTTLE = Failure("ThrottlingException", "", 400)
BROKEN = Failure("InternalFailure", "", 500)


def measured(*attempts: tuple[int, float, float, float, Failure | None]) -> Meter:
    """Return a meter that took attempts: stage, due, sent, done, failure."""
    kinds = Kinds()
    meter = Meter(kinds)
    meter.take(
        [
            Attempt(stage, due, sent, done, kinds.number(failure) if failure else 0, 0)
            for stage, due, sent, done, failure in attempts
        ]
    )
    return meter


def test_success_throttle_and_errors_are_kept_apart_by_stage() -> None:
    meter = measured(
        (0, 1.0, 1.1, 1.2, None),
        (0, 1.0, 1.0, 1.001, THROTTLE),
        (0, 1.0, 1.0, 3.0, BROKEN),
        (1, 5.0, 5.0, 5.5, None),
        (1, 5.0, 5.0, 5.5, BROKEN),
    )
    first = meter.stages[0]
    assert (first.calls, first.successes, first.throttles, first.errors) == (
        3,
        1,
        1,
        {"InternalFailure": 1},
    )
    assert first.from_due.quantile_ms(1.0) == pytest.approx(200, rel=0.004)
    assert first.from_sent.quantile_ms(1.0) == pytest.approx(100, rel=0.004)
    assert first.throttled.quantile_ms(1.0) == pytest.approx(1, rel=0.004)
    assert first.late == 1
    whole = together(meter.stages)
    assert (whole.calls, whole.errors, whole.from_due.count) == (5, {"InternalFailure": 2}, 2)
    whole.seconds = 10
    metrics = whole.metrics()
    assert set(metrics) == set(METRICS)
    assert metrics["tps"] == 0.5
    assert metrics["throttle_share"] == 0.2
    assert metrics["error_share"] == 0.4
    assert metrics["p50_ms"] == pytest.approx(200, rel=0.004)
    assert metrics["p99_ms"] == pytest.approx(500, rel=0.004)


def test_an_interval_has_exact_quantiles_of_what_ended_in_it() -> None:
    kinds = Kinds()
    meter = Meter(kinds)
    ended = [Attempt(0, 0.0, 0.0, n / 1000, 0, 0) for n in range(1, 101)]
    found = meter.take(ended)
    assert found == pytest.approx({"p50_ms": 51, "p99_ms": 100, "max_ms": 100, "late_ms_max": 0})
    assert set(meter.take([]).values()) == {None}
    only_failed = meter.take([Attempt(0, 0.0, 0.0, 1.0, kinds.number(BROKEN), 0)])
    assert only_failed["p99_ms"] is None


def test_the_ways_of_failing_are_bounded() -> None:
    kinds = Kinds()
    numbers = {kinds.number(Failure(f"Code{n}", "", 500)) for n in range(1000)}
    assert len(numbers) == 200
    assert kinds.listed[-1].code == "Other"
    assert kinds.number(Failure("Code7", "other words", 500)) == 8


def test_wilson_s_interval_is_as_published() -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def stage(calls: int = 1000, **changed: float) -> Measures:
    made = Measures(calls=calls, seconds=10, wall_s=10, busy_s=1)
    for name, value in changed.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ([stage(), stage()], []),
        ([stage(late=10)], []),  # 1 % is tolerated
        ([stage(late=11)], ["the test: 1.1% of the calls", "stood still (0 calls were missed)"]),
        ([stage(missed=12)], ["stood still (12 calls were missed)"]),
        ([stage(late=200, waited=300, crowded=5)], ["8 calls were open", "300 calls waited"]),
        ([stage(100_000), stage(late=100)], ["stage 2: 10.0% of the calls"]),
        ([stage(100_000), stage(9, late=9)], []),  # too few to judge alone
        ([stage(busy_s=9.5)], ["the test: making the calls took 95% of a core"]),
        ([stage(busy_s=1.5, wall_s=1.5)], []),  # too short to judge
    ],
)
def test_a_client_that_was_the_limit_is_told_from_a_service(
    stages: list[Measures], says: list[str]
) -> None:
    reasons = client_limits(stages, late_share_max=0.01, in_flight_max=8)
    assert bool(reasons) == bool(says)
    for text in says:
        assert any(text in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    ("stopped", "invalid", "p99_ms", "outcome", "reasons"),
    [
        (None, [], 100.0, "passed", 0),
        (None, [], 300.0, "failed", 1),
        (None, ["late"], 100.0, "invalid", 1),
        (None, ["late"], 300.0, "invalid", 2),
        ("SIGINT", [], 300.0, "stopped", 2),
    ],
)
def test_a_verdict_is_stopped_before_invalid_before_failed(
    stopped: str | None, invalid: list[str], p99_ms: float, outcome: str, reasons: int
) -> None:
    kept = judged([parse_threshold("p99_ms < 250")], {"p99_ms": p99_ms})
    found = verdict(stopped=stopped, invalid=invalid, thresholds=kept)
    assert (found.outcome, len(found.reasons)) == (outcome, reasons)
