"""What `thresholds` may say, and what it means."""

from __future__ import annotations

import pytest

from worker.config.thresholds import METRICS, Threshold, parse_threshold

NOTHING: dict[str, float | None] = dict.fromkeys(METRICS)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("p99_ms < 250", Threshold("p99_ms", "<", 250)),
        ("p999_ms<=1e3", Threshold("p999_ms", "<=", 1000)),
        ("  tps >= 99.5 ", Threshold("tps", ">=", 99.5)),
        ("throttle_share < .001", Threshold("throttle_share", "<", 0.001)),
    ],
)
def test_a_threshold_is_a_metric_a_comparison_and_a_number(text: str, parsed: Threshold) -> None:
    assert parse_threshold(text) == parsed
    assert parse_threshold(parsed.text) == parsed


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("p99 < 250", "no metric 'p99'; did you mean p99_ms?"),
        ("xyzzy < 250", "known: p50_ms, p90_ms, p99_ms"),
        ("p99_ms = 250", "'=' is no comparison; one of <, <=, >, >="),
        ("p99_ms < 250ms", "'250ms' is no number"),
        ("p99_ms < nan", "finite"),
        ("p99_ms < -1", "0 or more"),
        ("error_share < 5", "a share, 0 to 1"),
        ("p99_ms", "is not METRIC OPERATOR NUMBER"),
        ("", "is not METRIC OPERATOR NUMBER"),
    ],
)
def test_what_is_wrong_with_one_comes_with_advice(text: str, advice: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_threshold(text)
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("p99_ms < 250", 249.9, True),
        ("p99_ms < 250", 250.0, False),
        ("p99_ms <= 250", 250.0, True),
        ("tps > 100", 100.0, False),
        ("tps >= 100", 100.0, True),
        ("p99_ms < 250", None, False),  # no call succeeded
    ],
)
def test_it_holds_or_not(text: str, value: float | None, holds: bool) -> None:
    threshold = parse_threshold(text)
    assert threshold.holds({**NOTHING, threshold.metric: value}) is holds
