"""What a file system says of a file: while it says the same, the content is the same."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

# A file that was written so shortly before it was looked at may be written once more within one
# tick of the file system's clock: 2 s on FAT, 1 s on some, milliseconds as a rule.
_TICK_NS = 2_000_000_000


class FileState(NamedTuple):
    """A local file, as it was when it was looked at.

    The limit: a change that leaves all of these as they were is not seen, such as one made below
    the file system, or in place and to the same size after the clock was set back.
    """

    bytes: int
    modified_ns: int  # of the content, UTC; programs can set it
    changed_ns: int  # of the inode, UTC; programs cannot
    inode: int

    @classmethod
    def of(cls, path: str) -> Self:
        """Look at `path`, links followed. Raises OSError."""
        state = Path(path).stat()
        return cls(state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)

    def is_written_since(self, before: FileState) -> bool:
        """Return whether the file was replaced or written again; renaming it does not count."""
        return self._replace(changed_ns=0) != before._replace(changed_ns=0)

    def is_certain(self, seen_ns: int) -> bool:
        """Return whether a later write would show, when the file was looked at at `seen_ns`."""
        return self.modified_ns + _TICK_NS <= seen_ns
