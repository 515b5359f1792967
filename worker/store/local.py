"""The output folder. A file appears under its final name whole, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from worker.errors import ConflictError, OutputError

# Names of this program's own: `_temporary` is what Spark calls its own, too.
TEMPORARY = "_personalize_worker_tmp"
LOCK = "_personalize_worker_lock"
SPOOL = "_personalize_worker_spool"


class LocalStore:
    """A folder of this machine. Names are relative and use `/`.

    Every method raises OutputError when the disk refuses.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock: int | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder, hold it as its only writer, and leave nothing half-written there.

        Raises ConflictError while another process of this machine holds it. The kernel frees the
        lock of a process that dies, however it dies.
        """
        with self.errors_as_advice():
            if not self.root.is_dir():
                self.root.mkdir(parents=True, exist_ok=True)
                with suppress(PermissionError):  # a folder may be written in, but not read
                    _sync(self.root.parent)
            self._lock = lock = _lock(self.root / LOCK)
        try:
            with self.errors_as_advice():
                self._clear()
                (self.root / TEMPORARY).mkdir()
            yield
        finally:
            with suppress(OSError):  # a disk that has become read-only, say; all else is there
                if _is_at(lock, self.root / LOCK):
                    self._clear()
                    (self.root / LOCK).unlink()
            self._lock = None
            os.close(lock)

    def check_held(self) -> None:
        """Raise OutputError unless the folder is still the one that `writing` took.

        One that was removed, unmounted or moved away may by now be another process's.
        """
        with self.errors_as_advice():
            if self._lock is None or not _is_at(self._lock, self.root / LOCK):
                raise OSError(errno.ESTALE, "the folder was removed or replaced during the run")

    def _clear(self) -> None:
        shutil.rmtree(self.root / TEMPORARY, ignore_errors=True)

    def names(self) -> list[str]:
        """Return every file's name, sorted, but for half-written ones and dot-files."""
        with self.errors_as_advice():
            paths = [path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()]
        return sorted(
            str(path)
            for path in paths
            if path.parts[0] not in (TEMPORARY, LOCK, SPOOL) and not path.name.startswith(".")
        )

    def path(self, name: str) -> Path:
        """Return where `name` is, or would be."""
        return self.root / name

    def spool_path(self, run_id: str, name: str) -> Path:
        """Return where the answers for part `name` of a run are kept until it is committed.

        They outlive the process; `clear_spool` ends them.
        """
        return self.root / SPOOL / run_id / name

    def sync_spool(self, run_id: str) -> None:
        """Bring the names of a run's spools to the disk."""
        for folder in (self.root / SPOOL / run_id, self.root / SPOOL, self.root):
            _sync(folder)

    def drop_spool(self, run_id: str, name: str) -> None:
        """Drop what is kept for a part that is committed; a missing file is fine."""
        with self.errors_as_advice():
            self.spool_path(run_id, name).unlink(missing_ok=True)

    def clear_spool(self) -> None:
        """Drop what is kept of parts that are not committed."""
        self.check_held()
        with self.errors_as_advice(), suppress(FileNotFoundError):
            shutil.rmtree(self.root / SPOOL)

    def temporary_path(self, name: str) -> Path:
        """Return where to write `name` before `commit`."""
        return self.root / TEMPORARY / name.replace("/", "-")

    def commit(self, name: str) -> None:
        """Give the closed file at `temporary_path(name)` its final name, durably.

        The data is on disk before the name is, and the name before this returns (POSIX fsync).
        """
        temporary, final = self.temporary_path(name), self.path(name)
        self.check_held()
        with self.errors_as_advice():
            final.parent.mkdir(exist_ok=True)
            _sync(temporary)
            temporary.replace(final)
            _sync(final.parent)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole."""
        with self.errors_as_advice():
            self.temporary_path(name).write_bytes(content)
        self.commit(name)

    def read(self, name: str) -> bytes | None:
        """Return a small file's content, or None when there is none."""
        with self.errors_as_advice():
            try:
                return self.path(name).read_bytes()
            except FileNotFoundError:
                return None

    def size(self, name: str) -> int | None:
        """Return a file's bytes, or None when there is none."""
        with self.errors_as_advice():
            try:
                return self.path(name).stat().st_size
            except FileNotFoundError:
                return None

    def remove(self, name: str) -> None:
        """Remove a file, durably: it must not come back beside what takes its place.

        A missing one is fine.
        """
        self.check_held()
        with self.errors_as_advice(), suppress(FileNotFoundError):
            self.path(name).unlink()
            _sync(self.path(name).parent)

    @contextmanager
    def errors_as_advice(self) -> Iterator[None]:
        """Turn what the disk refuses, here or in a writer of a temporary file, into advice."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot write the output {self.root}: {error.strerror or error}",
                hint="check output.path, its permissions and the free space, then run again: what "
                "is committed there stays",
            ) from None


def _lock(path: Path) -> int:
    """Return a descriptor that holds the lock; its file says who has it, for the next one."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace") or "starting just now"
            os.close(descriptor)
            raise ConflictError(
                f"another process is writing {path.parent}: {holder}",
                hint="wait for it, or end it; then run again: what it has committed stays",
            ) from None
        # The holder before may have removed the file between our opening and our locking it.
        if _is_at(descriptor, path):
            break
        os.close(descriptor)
    with suppress(OSError):  # a full disk, say: who holds it is for the message only
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return descriptor


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one that `path` names now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
