"""What the service would refuse of the data and the resources: told, or with `strict` refused."""

from __future__ import annotations

import logging
from typing import Final

from worker.emulator.errors import EmulatorError

_log = logging.getLogger("worker.emulator")

HINT: Final = "AWS would refuse it, as emulator.strict = true does"


class Findings:
    """Collects what breaks a rule or a quota of the service, while data and resources are read."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []

    def add(self, what: str, hint: str) -> None:
        """Note what is wrong and what to do about it."""
        self._found.append((what, hint))

    def close(self, *, strict: bool) -> None:
        """Warn of each finding. Raises EmulatorError with all of them when `strict`."""
        if strict and self._found:
            raise EmulatorError(
                "; ".join(f"{what} ({hint})" for what, hint in self._found),
                hint="correct it, or set emulator.strict = false to be warned of it alone",
            )
        for what, hint in self._found:
            _log.warning("%s; %s. %s", what, hint, HINT)
