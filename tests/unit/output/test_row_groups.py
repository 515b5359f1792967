"""Rows that wait for a row group take no more memory than one, and are written in order."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from worker.output.row_groups import RowGroups
from worker.runtime.memory_budget import ROW_GROUP_BYTES


def test_a_row_group_ends_at_so_many_bytes_of_memory(tmp_path: Path) -> None:
    """Each hold is a third of one, with a copy of its own."""
    schema = pa.schema([("ID", pa.string())])
    with pq.ParquetWriter(tmp_path / "file", schema) as file:
        row_groups, ends = RowGroups(file), list[bool]()
        for number in range(7):
            ids = [f"{number}{row:04}" + "x" * (ROW_GROUP_BYTES // 3000) for row in range(1000)]
            row_groups.hold(pa.table({"ID": ids}, schema=schema))
            ends.append(row_groups.has_full)
            row_groups.write_full()
        assert ends == [False, False, True] * 2 + [False]
        row_groups.write_all()
    written = pq.ParquetFile(tmp_path / "file")
    rows = [written.metadata.row_group(group).num_rows for group in range(written.num_row_groups)]
    assert rows == [3000, 3000, 1000]
    found = [str(each) for each in written.read()["ID"].to_pylist()]
    assert [each[:5] for each in found] == [f"{n}{row:04}" for n in range(7) for row in range(1000)]
