"""Rows that are answered go to their chunk's spool every two seconds, and leave with its part."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import anyio
from anyio import to_thread

from worker.model import Answer, Batch, Chunk, Outcome
from worker.spool import Settled, SpoolWriter
from worker.store import LocalStore

# What a kill costs, in seconds of calls: this, and the time to write a block.
FLUSH_S = 2.0


class Keeper:
    """Keeps what is paid for. Rows are noted in the event loop, and written in a worker thread."""

    def __init__(self, store: LocalStore, run_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._noted: list[tuple[Batch, int]] = []
        self._writers: dict[Chunk, SpoolWriter] = {}
        self._one_at_a_time = anyio.Lock()

    def note(self, batch: Batch, row: int, outcome: Outcome) -> None:
        """Remember that a row of `batch` is answered; one that failed gets a new chance."""
        if isinstance(outcome.result, Answer):
            self._noted.append((batch, row))

    async def run(self) -> None:
        """Flush for ever; cancel it."""
        while True:
            await anyio.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what was noted. Not to be cancelled half-way. Raises OutputError."""
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                noted, self._noted = self._noted, []
                if noted:
                    await to_thread.run_sync(self._write, noted)

    async def forget(self, chunk: Chunk) -> None:
        """Drop the spool of a chunk whose part is committed."""
        with anyio.CancelScope(shield=True):
            async with self._one_at_a_time:
                self._noted = [(batch, row) for batch, row in self._noted if batch.chunk != chunk]
                if writer := self._writers.pop(chunk, None):
                    writer.close()
                with self._store.errors_as_advice():
                    self._path(chunk).unlink(missing_ok=True)

    async def close(self) -> None:
        """Write what was noted, and close the files, which stay."""
        try:
            await self.flush()
        finally:
            for writer in self._writers.values():
                writer.close()
            self._writers.clear()

    def _path(self, chunk: Chunk) -> Path:
        return self._store.spool_path(self._run_id, chunk.part_name)

    def _write(self, noted: Sequence[tuple[Batch, int]]) -> None:
        rows = defaultdict[Chunk, list[Settled]](list)
        for batch, row in noted:
            outcome = batch.outcomes[row]
            if outcome is not None:
                rows[batch.chunk].append((batch.first_row + row, outcome))
        with self._store.errors_as_advice():
            for chunk, settled in rows.items():
                if chunk not in self._writers:
                    self._writers[chunk] = SpoolWriter(self._path(chunk))
                self._writers[chunk].append(settled)
