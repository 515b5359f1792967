"""The plan's arithmetic."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.codec.digests import request_digest
from worker.commands.plan import DistinctCounter
from worker.runtime.text import duration
from worker.telemetry.cost import cost_usd


@given(st.lists(st.integers(0, 50)))
def test_distinct_requests_are_counted_exactly_while_they_fit(values: list[int]) -> None:
    counter = DistinctCounter(size=100)
    for value in values:
        counter.add(request_digest(str(value).encode()))
    assert counter.is_exact
    assert counter.estimate() == len(set(values))


def test_beyond_that_the_estimate_is_close_and_says_so() -> None:
    counter = DistinctCounter(size=1_000)
    values = [str(value % 20_000).encode() for value in range(40_000)]
    random.Random(1).shuffle(values)
    for value in values:
        counter.add(request_digest(value))
    assert not counter.is_exact
    assert counter.estimate() == pytest.approx(20_000, rel=0.1)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0s"), (59.9, "59.9s"), (200, "3m20s"), (3_900, "1h05m"), (90_000, "25h00m")],
)
def test_durations_read_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_cost_is_an_estimate_from_a_given_price_only() -> None:
    assert cost_usd(1_000_000, 0.0556) == pytest.approx(55.6)
    assert cost_usd(1_000_000, None) is None
