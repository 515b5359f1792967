"""How a run has ended, without a command line: its outcome, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from worker.errors import CommandOutcome, FailedRowsError, WorkerError, outcome_of
from worker.output.summary import Summary
from worker.report.run.gates import quality_error


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """A run all of whose rows are done."""

    summary: Summary  # the content of `_SUCCESS` or `_QUALITY_FAILED`
    output: str  # where the results are, for people
    tolerated_share: float  # of failed rows, 0 to 1: stop.error_share_max as it is now

    @property
    def problems(self) -> Sequence[WorkerError]:
        """What is wrong with the results, the worst last; nothing for a run that is good."""
        problems: list[WorkerError] = []
        if self.summary.error_share > self.tolerated_share:
            problems.append(_failed_rows(self))
        if broken := self.summary.broken_gates:
            problems.append(quality_error(broken, self.output))
        return problems

    @property
    def outcome(self) -> CommandOutcome:
        """How the run has ended; a broken gate comes before failed rows."""
        return outcome_of(self.problems)

    def raise_for_outcome(self) -> None:
        """Raise the worst of the problems, if there is any."""
        for problem in reversed(self.problems):
            raise problem


def _failed_rows(result: RunResult) -> FailedRowsError:
    summary = result.summary
    return FailedRowsError(
        f"{summary.rows_failed:,} rows failed, {summary.error_share:.2%} of all; tolerated are "
        f"{result.tolerated_share:.2%}",
        hint=f"look at error_code in {result.output}/_errors; that folder can be the next run's "
        "input.path, and stop.error_share_max says how much is tolerated",
    )
