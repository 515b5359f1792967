"""What `emulate` says when it serves: the line on stdout that others wait for, and the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from worker.cli.streams import echo, print_error


def ready_line(
    introduction: Callable[[str], list[str]], flags: dict[str, Any]
) -> Callable[[str], None]:
    """Return what is to be called with the address.

    After the line, stderr has what a client needs, the introduction to that address, unless the
    flags want it quiet or in JSON.
    """

    def ready(url: str) -> None:
        echo(f"ready {url}")
        if not flags["quiet"] and flags["log_format"] != "json":
            print_error("\n".join(introduction(url)))

    return ready
