"""Standard streams: what was asked for on stdout, for people or programs; the rest on stderr.

Nothing that became of a run depends on whether either can be written.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

import click

from worker.errors import StoppedError
from worker.runtime.text import as_text, printable_lines


def open_closed_ones() -> None:
    """Put something in the place of standard streams that were closed (`>&-`).

    Else the next file or connection that is opened takes it, and gets what is meant for the stream.
    What is written to stdout is still refused: nobody gets it. For a process of one's own.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest number that is free: this one
    sys.stdin = sys.stdin or _stream(0, "r")
    sys.stdout = sys.stdout or _stream(1, "w")
    sys.stderr = sys.stderr or _stream(2, "w")


def _stream(number: int, mode: str) -> TextIO:
    return os.fdopen(number, mode, closefd=False)  # type: ignore[return-value] # a mode of texts


def show(values: Any, text: str, *, as_json: bool, kept_in: str | None = None) -> None:
    """Print `values` as JSON, or `text`.

    What is kept in a file, too, is a success without stdout. Raises StoppedError like `echo`.
    """
    import orjson

    from worker.runtime import records

    shown = printable_lines(text)
    if as_json:
        json = records.as_json(values)
        shown = orjson.dumps(json, option=orjson.OPT_INDENT_2, default=as_text).decode()
    try:
        echo(shown)
    except StoppedError as error:
        if kept_in is None:
            raise
        print_error(f"warning: {error.what}; all else is done, and the summary is in {kept_in}")


def echo(text: str) -> None:
    """Print a line, even where nobody reads it any more.

    Raises StoppedError when it cannot be written: what was asked for is not there.
    """
    try:
        click.echo(text)
    except OSError as error:
        _give_up_stdout(error)


def _give_up_stdout(error: OSError) -> None:
    """Lead stdout nowhere; raise StoppedError unless it is just that nobody reads on.

    Python would complain once more when it flushes at exit.
    """
    _lead_nowhere(sys.stdout)
    # Whoever read it (`| head`) has seen enough; that changes nothing of what was done.
    if not isinstance(error, BrokenPipeError):
        raise StoppedError(
            f"cannot write to stdout: {error.strerror or error}",
            hint="free some space where stdout goes, or send it elsewhere; then run it again",
        ) from None


def print_error(text: str) -> None:
    """Print a line on stderr, where that can be written."""
    try:
        click.echo(text, err=True)
    except OSError:
        _lead_nowhere(sys.stderr)


def _lead_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


class _Command(click.Command):
    """A command whose help is written as `echo` writes; click prints it while it reads arguments.

    There is nothing else on which that could fail.
    """

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        """Read the arguments."""
        try:
            return super().make_context(*arguments, **options)
        except OSError as error:
            _give_up_stdout(error)
            raise click.exceptions.Exit(0) from None


class Cli(_Command, click.Group):
    """A command line whose own help, version and commands are such."""

    command_class = _Command
