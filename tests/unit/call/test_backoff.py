"""Which failures are tried again, when, and how often."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.call.backoff import (
    BACKOFF_BASE_S,
    BACKOFF_MAX_S,
    BUDGET_FLOOR,
    HINT_MAX_S,
    RetryPolicy,
    backoff_s,
    wait_s,
)
from worker.model import Failure


@given(attempts=st.integers(1, 100_000), seed=st.integers())
def test_backoff_is_jittered_below_a_bound_that_doubles(attempts: int, seed: int) -> None:
    most = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(attempts - 1, 60))
    assert 0.0 <= backoff_s(attempts, random.Random(seed)) <= most


@given(
    attempts=st.integers(1, 100),
    hint_s=st.none() | st.floats(0.001, 1e9),
    seed=st.integers(),
)
def test_a_hint_lengthens_the_wait_up_to_a_minute_and_never_shortens_it(
    attempts: int, hint_s: float | None, seed: int
) -> None:
    failure = Failure("ThrottlingException", "", retry_after_s=hint_s)
    backoff = backoff_s(attempts, random.Random(seed))
    waits = wait_s(attempts, failure, random.Random(seed))
    assert waits == max(backoff, min(hint_s or 0.0, HINT_MAX_S))
    assert backoff <= waits <= HINT_MAX_S


def test_backoff_uses_the_whole_range() -> None:
    """Full jitter: a third of the waits lie in each third of the range."""
    rng = random.Random(1)
    waits = [backoff_s(5, rng) / (BACKOFF_BASE_S * 16) for _ in range(3_000)]
    for third in range(3):
        share = sum(third / 3 <= wait < (third + 1) / 3 for wait in waits) / len(waits)
        assert share == pytest.approx(1 / 3, abs=0.05)


@pytest.mark.parametrize(
    ("share", "first_attempts", "retries"),
    [(0.2, 0, BUDGET_FLOOR), (0.2, 1_000, BUDGET_FLOOR + 200), (0.0, 1_000, 0)],
)
def test_retries_are_a_share_of_first_attempts_beyond_a_floor(
    share: float, first_attempts: int, retries: int
) -> None:
    policy = RetryPolicy(attempts_max=2, budget_share=share, rng=random.Random(1))
    for _ in range(first_attempts):
        policy.count_row()
    assert [policy.take(1) for _ in range(retries + 2)] == [True] * retries + [False] * 2


def test_a_row_that_has_had_all_its_attempts_spends_nothing() -> None:
    policy = RetryPolicy(attempts_max=3, budget_share=1.0, rng=random.Random(1))
    assert [policy.take(attempts) for attempts in (1, 2, 3, 4)] == [True, True, False, False]
    assert [policy.is_spent(attempts) for attempts in (1, 2, 3, 4)] == [False, False, True, True]
    assert policy.wait_s(0, Failure("code", "")) == 0.0
