"""What can end a run before its last row. A failed call is not here: that is a row in `_errors/`.

WorkerError                  what is wrong and what was seen, a hint, an exit code
├── ConfigError       2      the command line or the config file
├── InputError        2      the Parquet that was given; 75 once anything was called
├── OutputError       2      the output cannot be written; 75 once anything was called
├── ConflictError     6      the output belongs to another run
├── FailedRowsError   3      more rows failed than `stop.error_share_max` tolerates
├── QualityError      5      the results break a gate of [quality]; a load test did not pass
├── RefusedError      4      the service refuses every call of this run
└── StoppedError     75      ended early, resumable
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar


class CommandOutcome(StrEnum):
    """How a command ends. README, "Every night", says more of each."""

    DONE = "done"
    BUG = "bug"
    INVALID = "invalid"
    FAILED_ROWS = "failed_rows"
    REFUSED = "refused"
    QUALITY_FAILED = "quality_failed"
    CONFLICT = "conflict"
    STOPPED = "stopped"

    @property
    def exit_code(self) -> int:
        """What schedulers see of it."""
        return _EXIT_CODES[self]


_EXIT_CODES = {
    CommandOutcome.DONE: 0,
    CommandOutcome.BUG: 1,
    CommandOutcome.INVALID: 2,
    CommandOutcome.FAILED_ROWS: 3,
    CommandOutcome.REFUSED: 4,
    CommandOutcome.QUALITY_FAILED: 5,
    CommandOutcome.CONFLICT: 6,
    CommandOutcome.STOPPED: 75,
}


class WorkerError(Exception):
    """The root: `what` is wrong and was seen, `hint` says what to do. Shown without a trace."""

    outcome: ClassVar[CommandOutcome] = CommandOutcome.BUG

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    @property
    def exit_code(self) -> int:
        """What a command ends with that raises this error."""
        return self.outcome.exit_code


class ConfigError(WorkerError):
    """Raised when the command line or the config is wrong, before any call."""

    outcome = CommandOutcome.INVALID


class InputError(WorkerError):
    """Raised when the input cannot be read as the config says, before any call."""

    outcome = CommandOutcome.INVALID


class OutputError(WorkerError):
    """Raised when the output cannot be written."""

    outcome = CommandOutcome.INVALID


class ConflictError(WorkerError):
    """Raised when the output folder holds another run's files, or files of no run."""

    outcome = CommandOutcome.CONFLICT


class QualityError(WorkerError):
    """Raised when a finished run breaks a gate of [quality], or a load test did not pass."""

    outcome = CommandOutcome.QUALITY_FAILED


class FailedRowsError(WorkerError):
    """Raised for a finished run of which more rows failed than are tolerated."""

    outcome = CommandOutcome.FAILED_ROWS


class RefusedError(WorkerError):
    """Raised when the service refuses the whole run: credentials, ARN, recipe type."""

    outcome = CommandOutcome.REFUSED


class StoppedError(WorkerError):
    """Raised when a run ends before its last row and the same command carries on."""

    outcome = CommandOutcome.STOPPED


def outcome_of(problems: Sequence[WorkerError]) -> CommandOutcome:
    """Return how a command has ended that has these problems, the worst last."""
    return problems[-1].outcome if problems else CommandOutcome.DONE


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors that a group holds, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]
