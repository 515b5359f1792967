"""What was asked for, on stdout: text for people, or JSON for programs."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from worker.runtime.text import printable_lines


def show(values: Any, text: str, *, as_json: bool) -> None:
    """Print `values` as JSON, or `text`."""
    import orjson

    option = orjson.OPT_INDENT_2
    echo(
        orjson.dumps(values, option=option, default=str).decode()
        if as_json
        else printable_lines(text)
    )


def echo(text: str) -> None:
    """Print a line, even where nobody reads it any more."""
    try:
        click.echo(text)
    except BrokenPipeError:
        # Whoever read stdout (`| head`) has seen enough; that changes nothing of what was done.
        # Python would complain once more when it flushes at exit, so stdout goes nowhere now.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
