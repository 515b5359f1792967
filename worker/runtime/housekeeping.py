"""What is done between pieces of work so that a process stays small: nothing, inside a program."""

from __future__ import annotations


class Housekeeping:
    """Does nothing: memory is the business of whoever owns the process.

    The command line owns its process, and has a Housekeeping that gives memory back
    (`cli.process`). Blocking; may be called by several threads.
    """

    def between_batches(self) -> None:
        """Some batches of a part are done with."""

    def between_parts(self) -> None:
        """A part is done with, and may have left objects that refer to themselves."""
