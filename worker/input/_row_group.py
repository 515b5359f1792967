"""A row group on its way from its first row to its last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from worker.input.gather import gathered, step_rows

ARROW_ERRORS = (pa.ArrowException, OSError)  # what Arrow raises on damaged or encrypted data


class RowGroup:
    """Reads columns of a row group in order, and stays where the last rows ended.

    `spare` columns are left out from where they cannot be read, and are then in `lost`.
    Memory: a batch and some pages.
    """

    def __init__(
        self,
        file: pq.ParquetFile,
        index: int,
        *,
        needed: Sequence[str],
        spare: Sequence[str],
        batch_rows: int,
    ) -> None:
        self.index = index
        self.lost: dict[str, str] = {}  # by column, why
        self._file = file
        self._needed = needed
        self._spare = spare
        self._batch_rows = batch_rows
        self._rows: _Rows | None = None

    @property
    def position(self) -> int:
        """The row that comes next: no row before it can be taken any more."""
        return 0 if self._rows is None else self._rows.position

    def take(self, offset: int, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield `rows` rows from row `offset` on. Raises ARROW_ERRORS on damaged data."""
        end = offset + rows
        while offset < end:
            self._rows = self._rows or self._read(
                [*self._needed, *(name for name in self._spare if name not in self.lost)]
            )
            try:
                for batch in self._rows.take(offset, end - offset):
                    offset += batch.num_rows
                    yield batch
            except ARROW_ERRORS:
                failed_at, self._rows = max(offset, self._rows.position), None
                if not self._lose_unreadable(failed_at):
                    raise

    def _lose_unreadable(self, row: int) -> bool:
        """Look for the columns that cannot be read at `row`; return whether there is one."""
        lost_before = len(self.lost)
        for name in self._spare:
            if name not in self.lost:
                try:
                    for _ in self._read([name]).take(row, 1):
                        pass
                except ARROW_ERRORS as error:
                    self.lost[name] = str(error).strip()
        return len(self.lost) > lost_before

    def _read(self, columns: Sequence[str]) -> _Rows:
        return _Rows(self._file, self.index, columns, self._batch_rows)


class _Rows:
    """Reads a row group's rows once. What is skipped is decoded, as Parquet has it."""

    def __init__(
        self, file: pq.ParquetFile, index: int, columns: Sequence[str], batch_rows: int
    ) -> None:
        self.position = 0
        self._rest: pa.RecordBatch | None = None
        self._batches = (
            gathered(
                file.iter_batches(
                    step_rows(file.schema_arrow, columns),
                    row_groups=[index],
                    columns=list(columns),
                    use_threads=False,
                ),
                batch_rows=batch_rows,
            )
            if columns
            else _without_columns(file.metadata.row_group(index).num_rows, batch_rows)
        )

    def take(self, offset: int, rows: int) -> Iterator[pa.RecordBatch]:
        while rows:
            batch = self._rest if self._rest is not None else next(self._batches, None)
            if batch is None:
                raise pa.ArrowInvalid(f"{rows} rows fewer than its footer said")
            skipped = min(max(0, offset - self.position), batch.num_rows)
            taken = batch.slice(skipped, rows)
            used = skipped + taken.num_rows
            self._rest = batch.slice(used) if used < batch.num_rows else None
            self.position += used
            rows -= taken.num_rows
            if taken.num_rows:
                yield taken


def _without_columns(rows: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield as many rows: a file without any wanted column still says how many it has."""
    for first in range(0, rows, batch_rows):
        nothing = pa.nulls(min(batch_rows, rows - first))
        yield pa.RecordBatch.from_arrays([nothing], [""])
