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


class RetryPolicy:
    """Decides whether a row whose attempt failed has another one, and after which wait.

    Retries are capped at `budget_share` of the rows over a run, so that a sick service is not hit
    harder. `attempts_max` is of one row, the first attempt included.
    """

    def __init__(self, *, attempts_max: int, budget_share: float, rng: random.Random) -> None:
        self._attempts_max = attempts_max
        self._share = budget_share
        self._rng = rng
        self._rows = 0
        self._retries = 0

    def count_row(self) -> None:
        """Count a row's first attempt, which earns `budget_share` of a retry."""
        self._rows += 1

    def is_spent(self, attempts: int) -> bool:
        """Return whether a row has had all its attempts."""
        return attempts >= self._attempts_max

    def take(self, attempts: int) -> bool:
        """Spend one retry on a row that has failed `attempts` times; False when there is none."""
        floor = BUDGET_FLOOR if self._share else 0
        if self.is_spent(attempts) or self._retries >= floor + self._share * self._rows:
            return False
        self._retries += 1
        return True

    def wait_s(self, attempts: int, failure: Failure) -> float:
        """Return how long a row waits that has failed `attempts` times in turn; 0 for 0."""
        return wait_s(attempts, failure, self._rng) if attempts else 0.0
