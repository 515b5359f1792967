"""Rows put aside by their key, in memory or on disk, so that two runs meet bucket by bucket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from worker.errors import OutputError
from worker.report.measure.column import column, counted, pc
from worker.report.measure.hashes import U64

ROWS = pa.schema([("key", U64), ("list", U64), ("entries", pa.list_(U64))])
BITS_MAX = 8  # so many files are open for each run: 256


class Buckets:
    """Rows (ROWS) in 2**bits buckets, by the highest bits of their key; added, then read."""

    def __init__(self, bits: int, folder: Path | None) -> None:
        self._bits = bits
        self._folder = folder
        self._tables = [ROWS.empty_table()]
        self._writers: list[Any] = []
        if folder is not None:
            self._writers = [
                pa.ipc.new_stream(str(folder / str(n)), ROWS) for n in range(1 << bits)
            ]

    def add(self, rows: pa.Table) -> None:
        """Put rows aside; those of a bucket keep their order."""
        if not self._writers:
            self._tables.append(rows)
            return
        bucket = pc.shift_right(column(rows, "key"), pa.scalar(64 - self._bits, U64))
        order = pc.sort_indices(bucket)
        rows, start = rows.take(order), 0
        for number, count in sorted(counted(bucket)):
            self._writers[number].write_table(rows.slice(start, count).combine_chunks())
            start += count

    def read(self) -> Iterator[pa.Table]:
        """Yield the buckets, in order; nothing can be added any more."""
        if self._folder is None:
            yield pa.concat_tables(self._tables).combine_chunks()
            return
        self.close()
        for number in range(1 << self._bits):
            path = str(self._folder / str(number))
            with pa.OSFile(path, "rb") as file, pa.ipc.open_stream(file) as stream:
                yield stream.read_all().combine_chunks()

    def close(self) -> None:
        """Close the files that rows are added to."""
        for writer in self._writers:
            writer.close()
        self._writers = []


@contextmanager
def two_bucketed(bits: int) -> Iterator[tuple[Buckets, Buckets]]:
    """Yield buckets for two runs: in memory for 0 bits, else in the system's temporary folder.

    A row takes 20 bytes there and 8 for each entry. Raises OutputError when they do not fit.
    """
    with ExitStack() as stack:
        try:
            if bits:
                name = stack.enter_context(
                    tempfile.TemporaryDirectory(prefix="personalize-worker-")
                )
                Path(name, "old").mkdir()
                Path(name, "new").mkdir()
                old, new = (Buckets(bits, Path(name, side)) for side in ("old", "new"))
            else:
                old, new = Buckets(0, None), Buckets(0, None)
            stack.callback(new.close)
            stack.callback(old.close)
            yield old, new
        except OSError as error:
            raise OutputError(
                f"cannot put rows aside in {tempfile.gettempdir()}: {error.strerror or error}",
                hint="free some space there, or name another folder in the environment: TMPDIR=...",
            ) from None
