"""The output folder. A file appears under its final name whole, or not at all."""

import os
import shutil
from pathlib import Path

from worker.errors import OutputError

TEMPORARY = "_temporary"


class LocalStore:
    """A folder of this machine. Names are relative and use `/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def prepare(self) -> None:
        """Make the folder and throw away what an earlier run left half-written.

        Raises OutputError when the folder cannot be written.
        """
        try:
            shutil.rmtree(self.root / TEMPORARY, ignore_errors=True)
            (self.root / TEMPORARY).mkdir(parents=True)
        except OSError as error:
            raise unwritable(self.root, error) from None

    def finish(self) -> None:
        """Remove the folder for half-written files."""
        shutil.rmtree(self.root / TEMPORARY, ignore_errors=True)

    def names(self) -> list[str]:
        """Return every file's name, sorted, but for half-written ones."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and path.relative_to(self.root).parts[0] != TEMPORARY
        )

    def path(self, name: str) -> Path:
        """Return where `name` is, or would be."""
        return self.root / name

    def temporary_path(self, name: str) -> Path:
        """Return where to write `name` before `commit`."""
        return self.root / TEMPORARY / name.replace("/", "-")

    def commit(self, name: str) -> None:
        """Give the closed file at `temporary_path(name)` its final name, durably.

        The data is on disk before the name is, and the name before this returns (POSIX fsync).
        """
        temporary, final = self.temporary_path(name), self.path(name)
        final.parent.mkdir(exist_ok=True)
        _sync(temporary)
        temporary.replace(final)
        _sync(final.parent)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file whole."""
        self.temporary_path(name).write_bytes(content)
        self.commit(name)

    def read(self, name: str) -> bytes | None:
        """Return a small file's content, or None when there is none."""
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file; a missing one is fine."""
        self.path(name).unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> OutputError:
    """Return the error for an output that cannot be written."""
    return OutputError(
        f"cannot write the output {path}: {error.strerror or error}",
        hint="check output.path, its permissions and the free space; what is committed there stays",
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
