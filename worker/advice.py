"""What an error tells people: advice for what was foreseen, a stack trace for a bug."""

import traceback

import click

from worker.errors import StoppedError, WorkerError
from worker.printable import printable_lines


def told(error: BaseException) -> tuple[str, int]:
    """Return what to print, in which no secret is left, and the exit code."""
    from worker.call.words import without_secrets

    known = _first_known(error)
    if known is None:
        trace = "".join(traceback.format_exception(error))
        text = f"{trace}error: this is a bug in personalize-worker; please report it"
    else:
        text = f"error: {known.what}\nhint: {known.hint}"
    return printable_lines(without_secrets(text)), 1 if known is None else known.exit_code


def _first_known(error: BaseException) -> WorkerError | None:
    """Return the WorkerError that `error` is or holds; None if any of it is a bug."""
    if isinstance(error, BaseExceptionGroup):
        inner = [_first_known(part) for part in error.exceptions]
        return None if None in inner else inner[0]
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return StoppedError("interrupted", hint="run the same command again")
    return error if isinstance(error, WorkerError) else None
