"""When to try a failed call again, and how often over a run. Pure."""

from __future__ import annotations

import random

from worker.model import Failure

BACKOFF_BASE_S = 0.5
BACKOFF_MAX_S = 20.0
HINT_MAX_S = 60.0
# A short run must be able to retry at all: a share above 0 applies beyond this many retries.
BUDGET_FLOOR = 100


def backoff_s(attempts: int, rng: random.Random) -> float:
    """Return how long to wait after the `attempts`-th attempt failed: full jitter.

    Uniform in 0 .. min(20 s, 0.5 s * 2^(attempts - 1)). Source: AWS Architecture Blog,
    "Exponential Backoff And Jitter" (2015).
    """
    exponent = min(attempts - 1, 30)  # beyond the maximum anyway; keeps the power finite
    return rng.uniform(0.0, min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0**exponent))


def wait_s(attempts: int, failure: Failure, rng: random.Random) -> float:
    """Return how long to wait after `failure`: the backoff, or longer if the service asks for it.

    Of what it asks for a minute counts at most. The pacer spreads those whose time comes at once.
    """
    return max(backoff_s(attempts, rng), min(failure.retry_after_s or 0.0, HINT_MAX_S))


class RetryBudget:
    """Caps retries at a share of first attempts, so that a sick service is not hit harder."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._first_attempts = 0
        self._retries = 0

    def note_first_attempt(self) -> None:
        """Count a row's first attempt, which earns `share` of a retry."""
        self._first_attempts += 1

    def take(self) -> bool:
        """Spend one retry; False when the budget is empty."""
        floor = BUDGET_FLOOR if self._share else 0
        if self._retries >= floor + self._share * self._first_attempts:
            return False
        self._retries += 1
        return True
