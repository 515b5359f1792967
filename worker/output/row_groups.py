"""Rows that wait for a row group to be full, and full ones that wait to be written."""

from __future__ import annotations

from collections import deque
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from worker.codec.columns import EXPLODED_BYTES_MAX
from worker.runtime.memory_budget import ROW_GROUP_BYTES


class RowGroups:
    """Writes rows to a file, in order, a row group at a time.

    A row group ends at ROW_GROUP_BYTES of memory, or at what a reader of it is to have in memory:
    more, where values are referred to again and again. `hold` and `write_full` may be called by
    different threads at the same time.
    """

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file
        self._held: list[pa.Table] = []
        self._held_bytes = 0  # in memory
        self._read_bytes = 0  # in the memory of who reads them
        self._full = deque[pa.Table]()
        self._one_at_a_time = Lock()

    def hold(self, rows: pa.Table) -> None:
        """Take further rows, which come to EXPLODED_BYTES_MAX when they are read, or are few."""
        read_bytes = rows.nbytes
        if self._read_bytes + read_bytes > EXPLODED_BYTES_MAX:
            self._end()
        self._held.append(rows)
        self._held_bytes += min(read_bytes, rows.get_total_buffer_size())
        self._read_bytes += read_bytes
        if self._held_bytes >= ROW_GROUP_BYTES:
            self._end()

    @property
    def has_full(self) -> bool:
        """Whether there is something for `write_full`."""
        return bool(self._full)

    def write_full(self) -> None:
        """Write the row groups that are full. Blocking; raises OSError when the disk refuses."""
        with self._one_at_a_time:
            while self._full:
                table = self._full.popleft()
                self._file.write_table(table, row_group_size=table.num_rows)

    def write_all(self) -> None:
        """Write what there is, full or not; raises like `write_full`."""
        self._end()
        self.write_full()

    def _end(self) -> None:
        if self._held:
            self._full.append(pa.concat_tables(self._held))
            self._held, self._held_bytes, self._read_bytes = [], 0, 0
