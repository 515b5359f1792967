"""The output folder. A file appears under its final name whole, or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from worker.errors import ConflictError, OutputError
from worker.runtime.text import printable
from worker.store._arrow_files import open_to_read, open_to_write
from worker.store._local_spool import LocalGrowingFile, LocalSpoolFile
from worker.store.base import GrowingFile, SpoolFile

# Names of this program's own: `_temporary` is what Spark calls its own, too.
TEMPORARY = "_personalize_worker_tmp"
LOCK = "_personalize_worker_lock"
SPOOL = "_personalize_worker_spool"


class LocalStore:
    """A folder of this machine. See Store."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock: int | None = None

    @property
    def place(self) -> str:
        """See Store.place."""
        return printable(str(self._root))

    def shown(self, name: str) -> str:
        """See Store.shown."""
        return printable(str(self._root / name))

    @contextmanager
    def claim(self) -> Iterator[None]:
        """See Store.claim. The kernel frees the lock of a process that dies, however it dies."""
        with self.errors_as_advice():
            if not self._root.is_dir():
                self._root.mkdir(parents=True, exist_ok=True)
                with suppress(PermissionError):  # a folder may be written in, but not read
                    _sync(self._root.parent)
            self._lock = lock = _lock(self._root / LOCK)
        try:
            with self.errors_as_advice():
                self._clear()
                (self._root / TEMPORARY).mkdir()
            yield
        finally:
            with suppress(OSError):  # a disk that has become read-only, say; all else is there
                if _is_at(lock, self._root / LOCK):
                    self._clear()
                    (self._root / LOCK).unlink()
            self._lock = None
            os.close(lock)

    def check_claimed(self) -> None:
        """See Store.check_claimed.

        A folder that was removed, unmounted or moved away may by now be another process's.
        """
        with self.errors_as_advice():
            if self._lock is None or not _is_at(self._lock, self._root / LOCK):
                raise OSError(errno.ESTALE, "the folder was removed or replaced during the run")

    def _clear(self) -> None:
        shutil.rmtree(self._root / TEMPORARY, ignore_errors=True)

    def list(self) -> Sequence[str]:
        """See Store.list."""
        with self.errors_as_advice():
            found = (path for path in self._root.rglob("*") if path.is_file())
            paths = [path.relative_to(self._root) for path in found]
        return sorted(
            str(path)
            for path in paths
            if path.parts[0] not in (TEMPORARY, LOCK, SPOOL) and not path.name.startswith(".")
        )

    def size(self, name: str) -> int | None:
        """See Store.size."""
        with self.errors_as_advice():
            try:
                return (self._root / name).stat().st_size
            except FileNotFoundError:
                return None

    def exists(self, name: str) -> bool:
        """See Store.exists."""
        return self.size(name) is not None

    def read(self, name: str) -> bytes | None:
        """See Store.read."""
        with self.errors_as_advice():
            return _content(self._root / name)

    def open_read(self, name: str) -> pa.NativeFile:
        """See Store.open_read."""
        return open_to_read(self._root / name)

    def create(self, name: str) -> pa.NativeFile:
        """See Store.create."""
        return open_to_write(self._temporary(name))

    def commit(self, name: str) -> None:
        """See Store.commit. The order is that of POSIX fsync."""
        temporary, final = self._temporary(name), self._root / name
        self.check_claimed()
        with self.errors_as_advice():
            final.parent.mkdir(exist_ok=True)
            _sync(temporary)
            temporary.replace(final)
            _sync(final.parent)

    def discard(self, name: str) -> None:
        """See Store.discard."""
        self._temporary(name).unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """See Store.write."""
        with self.errors_as_advice():
            self._temporary(name).write_bytes(content)
        self.commit(name)

    def replace(self, name: str, content: bytes) -> None:
        """See Store.replace. It needs no lock."""
        write_whole(self._root / name, content)

    def open_growing(self, name: str) -> GrowingFile:
        """See Store.open_growing."""
        with self.errors_as_advice():
            return LocalGrowingFile(self._root / name, 0, is_synced_at_end=True)

    def remove(self, name: str) -> None:
        """See Store.remove."""
        self.check_claimed()
        with self.errors_as_advice(), suppress(FileNotFoundError):
            (self._root / name).unlink()
            _sync((self._root / name).parent)

    def spool(self, run_id: str, name: str) -> SpoolFile:
        """See Store.spool."""
        return LocalSpoolFile(self._root / SPOOL / run_id / name)

    def has_spools(self, run_id: str) -> bool:
        """See Store.has_spools."""
        return (self._root / SPOOL / run_id).is_dir()

    def sync_spools(self, run_id: str) -> None:
        """See Store.sync_spools."""
        for folder in (self._root / SPOOL / run_id, self._root / SPOOL, self._root):
            _sync(folder)

    def drop_spool(self, run_id: str, name: str) -> None:
        """See Store.drop_spool."""
        with self.errors_as_advice():
            (self._root / SPOOL / run_id / name).unlink(missing_ok=True)

    def clear_spools(self) -> None:
        """See Store.clear_spools."""
        self.check_claimed()
        with self.errors_as_advice(), suppress(FileNotFoundError):
            shutil.rmtree(self._root / SPOOL)

    @contextmanager
    def errors_as_advice(self) -> Iterator[None]:
        """See Store.errors_as_advice."""
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot write the output {self._root}: {error.strerror or error}",
                hint="check output.path, its permissions and the free space, then run again: what "
                "is committed there stays",
            ) from None

    def _temporary(self, name: str) -> Path:
        return self._root / TEMPORARY / name.replace("/", "-")


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises OutputError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            hint="check the folder, its permissions and the free space",
        ) from None
    finally:
        with suppress(OSError):  # it is there only if writing or renaming it failed
            temporary.unlink(missing_ok=True)


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


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
