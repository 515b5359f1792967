"""An error as text for people: advice for what was foreseen, a stack trace for a bug."""

from __future__ import annotations

import traceback

from worker.errors import CommandOutcome, StoppedError, WorkerError
from worker.runtime.text import printable, printable_lines


def user_message(error: BaseException) -> str:
    """Return what a command prints of `error`, in which no secret is left: one line or several."""
    from worker.aws.redact import without_secrets

    known = _first_known(error)
    if known is None:
        trace = "".join(traceback.format_exception(error))
        text = f"{trace}error: this is a bug in personalize-worker; please report it"
    else:
        text = f"error: {known.what}\nhint: {known.hint}"
    return printable_lines(without_secrets(text))


def error_outcome(error: BaseException) -> CommandOutcome:
    """Return how a command ends that raises `error`."""
    known = _first_known(error)
    return CommandOutcome.BUG if known is None else known.outcome


def reason(error: BaseException) -> str:
    """Return what is wrong, in one line without a secret: for a file, beside the message."""
    from worker.aws.redact import without_secrets

    known = _first_known(error)
    what = "a bug in personalize-worker, told with a stack trace" if known is None else known.what
    return printable(without_secrets(what))


def _first_known(error: BaseException) -> WorkerError | None:
    """Return the WorkerError that `error` is or holds; None if any of it is a bug."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_first_known(part) for part in error.exceptions]
        return None if None in inner else inner[0]
    if isinstance(error, KeyboardInterrupt):
        return StoppedError("interrupted", hint="run the same command again")
    return error if isinstance(error, WorkerError) else None
