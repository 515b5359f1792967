"""A store in memory: a place without paths and without a disk, which proves the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from worker.errors import ConflictError, OutputError
from worker.store.base import GrowingFile, Ranges, SpoolFile


@dataclass
class MemoryPlace:
    """What outlives a process: all that is in the place, and who holds it."""

    files: dict[str, bytearray] = field(default_factory=dict)
    spools: dict[tuple[str, str], bytearray] = field(default_factory=dict)
    holder: object | None = None
    refusal: OSError | None = None  # what every access ends with


class MemoryStore:
    """See Store. One for each process that works on the place."""

    def __init__(self, place: MemoryPlace) -> None:
        self._place = place
        self._created: dict[str, pa.BufferOutputStream] = {}

    @property
    def place(self) -> str:
        return "memory:"

    def shown(self, name: str) -> str:
        return f"memory:{name}"

    @contextmanager
    def claim(self) -> Iterator[None]:
        if self._place.holder is not None:
            raise ConflictError("another one is writing memory:", hint="wait for it")
        self._place.holder = self
        try:
            yield
        finally:
            if self._place.holder is self:
                self._place.holder = None
            self._created.clear()

    def check_claimed(self) -> None:
        with self.errors_as_advice():
            if self._place.holder is not self:
                raise OSError("the place was removed or replaced during the run")

    def list(self) -> Sequence[str]:
        return sorted(self._files())

    def size(self, name: str) -> int | None:
        content = self._files().get(name)
        return None if content is None else len(content)

    def exists(self, name: str) -> bool:
        return name in self._files()

    def read(self, name: str) -> bytes | None:
        content = self._files().get(name)
        return None if content is None else bytes(content)

    def open_read(self, name: str) -> pa.NativeFile:
        if (content := self._files().get(name)) is None:
            raise FileNotFoundError(2, "No such file", name)
        return pa.BufferReader(bytes(content))

    def create(self, name: str) -> pa.NativeFile:
        self._check_accessible()
        self._created[name] = pa.BufferOutputStream()
        return self._created[name]

    def commit(self, name: str) -> None:
        self.check_claimed()
        content = self._created.pop(name).getvalue().to_pybytes()
        with self.errors_as_advice():
            self._check_accessible()
            self._place.files[name] = bytearray(content)

    def discard(self, name: str) -> None:
        self._created.pop(name, None)

    def write(self, name: str, content: bytes) -> None:
        self.check_claimed()
        self.replace(name, content)

    def replace(self, name: str, content: bytes) -> None:
        self._files()[name] = bytearray(content)

    def open_growing(self, name: str) -> GrowingFile:
        self._files()[name] = bytearray()
        return _Growing(self._place, self._place.files[name])

    def remove(self, name: str) -> None:
        self.check_claimed()
        self._files().pop(name, None)

    def spool(self, run_id: str, name: str) -> SpoolFile:
        return MemorySpoolFile(self._place, (run_id, name))

    def has_spools(self, run_id: str) -> bool:
        return any(run == run_id for run, _ in self._place.spools)

    def sync_spools(self, run_id: str) -> None:
        del run_id
        self._check_accessible()

    def drop_spool(self, run_id: str, name: str) -> None:
        self._place.spools.pop((run_id, name), None)

    def clear_spools(self) -> None:
        self.check_claimed()
        self._place.spools.clear()

    @contextmanager
    def errors_as_advice(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot write memory: {error.strerror or error}", hint="run again"
            ) from None

    def _files(self) -> dict[str, bytearray]:
        with self.errors_as_advice():
            self._check_accessible()
        return self._place.files

    def _check_accessible(self) -> None:
        if self._place.refusal is not None:
            raise self._place.refusal


class MemorySpoolFile:
    """See SpoolFile."""

    def __init__(self, place: MemoryPlace, key: tuple[str, str]) -> None:
        self._place = place
        self._key = key

    @property
    def name(self) -> str:
        return self._key[1]

    @contextmanager
    def open_ranges(self) -> Iterator[Ranges | None]:
        content = self._place.spools.get(self._key)
        yield None if content is None else _Content(content)

    def open_append(self, end: int) -> GrowingFile:
        content = self._place.spools.setdefault(self._key, bytearray())
        del content[end:]
        return _Growing(self._place, content)

    def read(self) -> bytes | None:
        content = self._place.spools.get(self._key)
        return None if content is None else bytes(content)

    def replace(self, content: bytes) -> None:
        self._place.spools[self._key] = bytearray(content)

    def sync(self) -> None:
        if self._place.refusal is not None:
            raise self._place.refusal


class _Content:
    """See Ranges."""

    def __init__(self, content: bytearray) -> None:
        self._content = content

    def size(self) -> int:
        return len(self._content)

    def read_at(self, nbytes: int, offset: int) -> bytes:
        return bytes(self._content[offset : offset + nbytes])


class _Growing:
    """See GrowingFile."""

    def __init__(self, place: MemoryPlace, content: bytearray) -> None:
        self._place = place
        self._content = content

    def append(self, buffers: Sequence[bytes]) -> None:
        if self._place.refusal is not None:
            raise self._place.refusal
        self._content += b"".join(buffers)

    def close(self) -> None:
        pass
