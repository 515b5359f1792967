"""How a load test has ended, without a command line: its outcome, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import CommandOutcome, WorkerError, outcome_of
from worker.loadtest.result import Conclusion, LoadResult
from worker.loadtest.text import problem


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestResult:
    """A load test that has a verdict."""

    record: LoadResult  # the content of `_loadtest.json`
    conclusion: Conclusion  # the record's

    @property
    def problems(self) -> Sequence[WorkerError]:
        """What is wrong: nothing for a test that has passed."""
        found = problem(self.conclusion)
        return [found] if found else []

    @property
    def outcome(self) -> CommandOutcome:
        """How the test has ended."""
        return outcome_of(self.problems)
