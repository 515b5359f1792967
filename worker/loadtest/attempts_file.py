"""attempts.parquet: one row for each call, written as they end, in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.loadtest.measure import Attempt, Kinds
from worker.store.base import Store

ATTEMPTS_NAME: Final = "attempts.parquet"
_ROW_GROUP_ROWS: Final = 1 << 16
_TIME = pa.timestamp("us", "UTC")
_FIELDS: Final[dict[str, pa.DataType]] = {
    "stage": pa.int32(),
    "row": pa.int64(),
    "intended_at": _TIME,
    "sent_at": _TIME,
    "latency_ms": pa.float64(),  # from sent
    "http_status": pa.int16(),  # null: no answer
    "code": pa.string(),  # null: success
}
SCHEMA: Final = pa.schema(_FIELDS)


class AttemptsFile:
    """Takes the calls that have ended; `commit` gives the file its name."""

    def __init__(self, store: Store, kinds: Kinds, *, begun_s: float) -> None:
        """`begun_s` is the Unix time that the attempts' moments count from."""
        self._store = store
        self._kinds = kinds
        self._origin_us = round(begun_s * 1e6)
        self._held: list[pa.RecordBatch] = []
        self._held_rows = 0
        with store.errors_as_advice():
            self._file = store.create(ATTEMPTS_NAME)
            self._writer = pq.ParquetWriter(self._file, SCHEMA)

    def add(self, attempts: Sequence[Attempt]) -> None:
        """Write calls, a row group at a time. Raises OutputError when the disk refuses."""
        self._held.append(self._rows(attempts))
        self._held_rows += len(attempts)
        if self._held_rows >= _ROW_GROUP_ROWS:
            self._flush()

    def commit(self) -> None:
        """Write the rest, and give the file its final name."""
        self._flush()
        with self._store.errors_as_advice():
            self._writer.close()
            self._file.close()
        self._store.commit(ATTEMPTS_NAME)

    def _flush(self) -> None:
        if self._held:
            table = pa.Table.from_batches(self._held)
            with self._store.errors_as_advice():
                self._writer.write_table(table, row_group_size=table.num_rows)
            self._held, self._held_rows = [], 0

    def _rows(self, attempts: Sequence[Attempt]) -> pa.RecordBatch:
        listed = self._kinds.listed
        sent = pa.array([attempt.sent_s for attempt in attempts], pa.float64())
        done = pa.array([attempt.done_s for attempt in attempts], pa.float64())
        columns: list[Any] = [
            pa.array([attempt.stage for attempt in attempts]),
            pa.array([attempt.row for attempt in attempts]),
            self._moments(pa.array([attempt.due_s for attempt in attempts], pa.float64())),
            self._moments(sent),
            pc.multiply(pc.subtract(done, sent), pa.scalar(1e3)),
            pa.array([listed[attempt.kind].http_status for attempt in attempts], pa.int16()),
            pa.array([listed[attempt.kind].code for attempt in attempts], pa.string()),
        ]
        arrays = [column.cast(field.type) for column, field in zip(columns, SCHEMA, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)

    def _moments(self, elapsed_s: Any) -> Any:
        """Return Unix microseconds."""
        us: Any = pc.round(pc.multiply(elapsed_s, pa.scalar(1e6)))
        return pc.add(us.cast(pa.int64()), pa.scalar(self._origin_us))
