"""Files of the local disk that grow: spool files, and what is read while it is written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.store.base import GrowingFile, Ranges

_BUFFERS_MAX = 512  # of one writev: below every system's IOV_MAX
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


class LocalSpoolFile:
    """See SpoolFile."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """See SpoolFile.name."""
        return self._path.name

    @contextmanager
    def open_ranges(self) -> Iterator[Ranges | None]:
        """See SpoolFile.open_ranges."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            yield None
            return
        try:
            yield _Descriptor(descriptor)
        finally:
            os.close(descriptor)

    def open_append(self, end: int) -> GrowingFile:
        """See SpoolFile.open_append."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return LocalGrowingFile(self._path, end)

    def read(self) -> bytes | None:
        """See SpoolFile.read."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def replace(self, content: bytes) -> None:
        """See SpoolFile.replace."""
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(content)
        temporary.replace(self._path)

    def sync(self) -> None:
        """See SpoolFile.sync."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            _sync_data(file.fileno())


class LocalGrowingFile:
    """See GrowingFile. It is cut off at `end` bytes when it is opened."""

    def __init__(self, path: Path, end: int, *, is_synced_at_end: bool = False) -> None:
        anew = 0 if end else os.O_TRUNC
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | anew, 0o666)
        self._end = end
        self._is_synced_at_end = is_synced_at_end
        if end:
            os.ftruncate(self._file, end)

    def append(self, buffers: Sequence[bytes]) -> None:
        """See GrowingFile.append."""
        os.lseek(self._file, self._end, os.SEEK_SET)
        for first in range(0, len(buffers), _BUFFERS_MAX):
            _write_all(self._file, buffers[first : first + _BUFFERS_MAX])
        self._end += sum(map(len, buffers))

    def close(self) -> None:
        """See GrowingFile.close."""
        try:
            if self._is_synced_at_end:
                os.fsync(self._file)
        finally:
            os.close(self._file)


class _Descriptor:
    """See Ranges: an open file."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def read_at(self, nbytes: int, offset: int) -> bytes:
        return os.pread(self._descriptor, nbytes, offset)


def _write_all(file: int, buffers: Sequence[bytes]) -> None:
    """Write `buffers` whole; writev may write less than it is given."""
    written = os.writev(file, buffers)
    for buffer in buffers:
        if written < len(buffer):
            rest = memoryview(buffer)[max(0, written) :]
            while rest:
                rest = rest[os.write(file, rest) :]
        written -= len(buffer)
