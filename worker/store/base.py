"""What a run asks of the place where its output lies. No method takes or returns a path.

Names are relative to the place and use `/`. Blocking: an event loop calls from worker threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import pyarrow as pa


class Ranges(Protocol):
    """Bytes that are read by ranges."""

    def size(self) -> int:
        """Return how many bytes there are."""
        ...

    def read_at(self, nbytes: int, offset: int) -> bytes:
        """Return `nbytes` bytes from `offset` on, fewer where the bytes end."""
        ...


class GrowingFile(Protocol):
    """A file that is appended to, and may be read while it grows."""

    def append(self, buffers: Sequence[bytes]) -> None:
        """Write `buffers` at the end, to be read after any kill of this process.

        Raises OSError when the disk refuses. What was written in part is overwritten by the next
        append.
        """
        ...

    def close(self) -> None:
        """Close the file, which stays."""
        ...


class SpoolFile(Protocol):
    """A file of this program's own beside the output, which outlives the process.

    One writer at a time, and any number of readers. Methods raise OSError when the disk refuses:
    `Store.errors_as_advice` turns it into advice.
    """

    @property
    def name(self) -> str:
        """The name of the part whose answers it keeps, or of the stopwatch."""
        ...

    def open_ranges(self) -> AbstractContextManager[Ranges | None]:
        """Open the file to be read; None: there is no file."""
        ...

    def open_append(self, end: int) -> GrowingFile:
        """Open the file to be appended to, and make it if need be; cut it off at `end` bytes."""
        ...

    def read(self) -> bytes | None:
        """Return all of a small file; None: there is no file."""
        ...

    def replace(self, content: bytes) -> None:
        """Write a small file anew: whoever reads it gets the one before or this one."""
        ...

    def sync(self) -> None:
        """Bring what was appended to the disk itself; a missing file is fine."""
        ...


class Store(Protocol):
    """A place for the files of one run.

    A file that is created and committed, written or replaced has its name when it is whole, or not
    at all. Only `open_growing` makes a file that is seen while it grows.

    Methods raise OutputError when the place refuses, unless they say otherwise.
    """

    @property
    def place(self) -> str:
        """Where the place is, for people."""
        ...

    def shown(self, name: str) -> str:
        """Return where a file is, or would be, for people."""
        ...

    def claim(self) -> AbstractContextManager[None]:
        """Make the place, hold it as its only writer, and leave nothing half-written there.

        Raises ConflictError while another process holds it. A holder that dies, however it dies,
        holds it no more.
        """
        ...

    def check_claimed(self) -> None:
        """Raise OutputError unless this process still holds the place that it has claimed."""
        ...

    def list(self) -> Sequence[str]:
        """Return the names of all files, sorted, but for half-written, hidden and spool files."""
        ...

    def size(self, name: str) -> int | None:
        """Return a file's bytes, or None when there is no file."""
        ...

    def exists(self, name: str) -> bool:
        """Return whether there is a file."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return a small file's content, or None when there is no file."""
        ...

    def open_read(self, name: str) -> pa.NativeFile:
        """Open a file to be read by ranges. To be closed. Raises OSError."""
        ...

    def create(self, name: str) -> pa.NativeFile:
        """Open a file to be written: to be closed, and then `commit` or `discard`. Raises OSError.

        A file that is created a second time under one name replaces the first one.
        """
        ...

    def commit(self, name: str) -> None:
        """Give a created and closed file its final name, durably; it replaces one that is there.

        The data is safe before the name is there, and the name before this returns.
        """
        ...

    def discard(self, name: str) -> None:
        """Drop a created and closed file; one that was never created is fine. Raises OSError."""
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole, durably."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Write a small file whole, by a process that has not claimed the place."""
        ...

    def open_growing(self, name: str) -> GrowingFile:
        """Open a file anew that has its name at once, and is read while it grows."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, durably: it must not come back beside what takes its place.

        A missing one is fine.
        """
        ...

    def spool(self, run_id: str, name: str) -> SpoolFile:
        """Return a spool file of a run, whether it is there or not. `clear_spools` ends it."""
        ...

    def has_spools(self, run_id: str) -> bool:
        """Return whether anything was ever appended to a spool file of a run. Raises OSError."""
        ...

    def sync_spools(self, run_id: str) -> None:
        """Bring the names of a run's spool files to the disk itself. Raises OSError."""
        ...

    def drop_spool(self, run_id: str, name: str) -> None:
        """Remove a spool file; a missing one is fine."""
        ...

    def clear_spools(self) -> None:
        """Remove all spool files, of any run."""
        ...

    def errors_as_advice(self) -> AbstractContextManager[None]:
        """Turn each OSError inside, of this place's files, into an OutputError."""
        ...
