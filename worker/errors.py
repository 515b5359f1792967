"""What can end a run before its last row. A failed call is not here: that is a row in `_errors/`.

WorkerError                  what is wrong and what was seen, a hint, an exit code
├── ConfigError       2      the command line or the config file
├── InputError        2      the Parquet that was given; 75 once anything was called
├── OutputError       2      the output cannot be written; 75 once anything was called
├── ConflictError     6      the output belongs to another run
├── QualityError      5      the results break a gate of [quality]
├── RefusedError      4      the service refuses every call of this run
└── StoppedError     75      ended early, resumable
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """How a command ends, by what schedulers see of it. README, "Every night", says more."""

    DONE = 0
    BUG = 1
    INVALID = 2
    FAILED_ROWS = 3
    REFUSED = 4
    QUALITY_FAILED = 5
    CONFLICT = 6
    STOPPED = 75


class WorkerError(Exception):
    """The root: `what` is wrong and was seen, `hint` says what to do. Shown without a trace."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, what: str, *, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class ConfigError(WorkerError):
    """Raised when the command line or the config is wrong, before any call."""

    exit_code = ExitCode.INVALID


class InputError(WorkerError):
    """Raised when the input cannot be read as the config says, before any call."""

    exit_code = ExitCode.INVALID


class OutputError(WorkerError):
    """Raised when the output cannot be written."""

    exit_code = ExitCode.INVALID


class ConflictError(WorkerError):
    """Raised when the output folder holds another run's files, or files of no run."""

    exit_code = ExitCode.CONFLICT


class QualityError(WorkerError):
    """Raised when a finished run's results break a gate of [quality]."""

    exit_code = ExitCode.QUALITY_FAILED


class RefusedError(WorkerError):
    """Raised when the service refuses the whole run: credentials, ARN, recipe type."""

    exit_code = ExitCode.REFUSED


class StoppedError(WorkerError):
    """Raised when a run ends before its last row and the same command carries on."""

    exit_code = ExitCode.STOPPED


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors that a group holds, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]
