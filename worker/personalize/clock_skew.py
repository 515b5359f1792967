"""Whose clock is wrong when a request's time is called wrong: this machine's, or a server's. Pure.

One server of many may be off, or a request have waited on its way: signed anew, it is served. Where
nothing is served, or nothing any more, it is this machine's clock.
"""

from __future__ import annotations

IN_A_ROW_MAX = 10


class ClockSkew:
    """Told of every call that is served, and of every one whose time is called wrong."""

    def __init__(self) -> None:
        self._has_served = False
        self._in_a_row = 0

    def record_served(self) -> None:
        """A call was served."""
        self._has_served = True
        self._in_a_row = 0

    def record_skewed(self) -> bool:
        """A call's time was called wrong; return whether every call would end so."""
        self._in_a_row += 1
        return not self._has_served or self._in_a_row >= IN_A_ROW_MAX
