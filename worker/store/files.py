"""What reading an input asks of the place where its files lie, without a path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import pyarrow as pa

# A file that was written so shortly before it was looked at may be written once more within one
# tick of the file system's clock: 2 s on FAT, 1 s on some, milliseconds as a rule.
_TICK_NS = 2_000_000_000


class FileState(NamedTuple):
    """A file, as it was when it was looked at: while all of this is the same, its content is.

    The limit: a change that leaves all of these as they were is not seen, such as one made below
    the file system, or in place and to the same size after the clock was set back.
    """

    bytes: int
    modified_ns: int  # of the content, UTC; programs can set it
    changed_ns: int  # of the inode, UTC; programs cannot
    inode: int

    def is_written_since(self, before: FileState) -> bool:
        """Return whether the file was replaced or written again; renaming it does not count."""
        return self._replace(changed_ns=0) != before._replace(changed_ns=0)

    def is_certain(self, seen_ns: int) -> bool:
        """Return whether a later write would show, when the file was looked at at `seen_ns`."""
        return self.modified_ns + _TICK_NS <= seen_ns


class FoundFile(NamedTuple):
    """A file of an input."""

    name: str  # what opens it, and what people see
    relative: str  # its name below the input's folder, with `/`: hive keys are in it


class InputFiles(Protocol):
    """Files that may be read by several threads."""

    def find(self, path: str) -> Sequence[FoundFile]:
        """Return the files that a path means (a file, a folder or a glob), sorted by their names.

        Raises InputError when there is none, and when one of them is a table's that keeps a log of
        which files count.
        """
        ...

    def state(self, name: str) -> FileState:
        """Return how a file is now. Raises OSError."""
        ...

    def open_read(self, name: str) -> pa.NativeFile:
        """Open a file to be read by ranges. To be closed. Raises OSError."""
        ...
