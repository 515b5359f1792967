"""`python -m worker` is `personalize-worker`: a signal ends it in order from its first moment."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Final

from worker.runtime import signals

_STOPPED: Final = 75  # CommandOutcome.STOPPED's, which is not imported yet


def main() -> None:
    """Run the command line, and exit with the code of the interface."""
    signals.handle(_end)
    from worker.cli.main import main as run_command_line  # noqa: PLC0415 - after that: takes a while

    run_command_line()


def _end(*_: Any) -> None:
    """End at once: there is nothing yet to be ended in order."""
    with suppress(OSError):
        os.write(2, b"error: interrupted\nhint: run the same command again\n")
    os._exit(_STOPPED)


if __name__ == "__main__":
    main()
