"""A row group is read page by page, and goes on where the chunk before ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.input.reader import RowReader
from worker.input.source import open_source

ROWS = 20_000


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """One row group with a column of 40 MB in pages of 64 KiB."""
    path = tmp_path / "wide.parquet"
    table = pa.table({"ID": range(ROWS), "WIDE": [f"{row:02000d}" for row in range(ROWS)]})
    pq.write_table(table, path, compression="none", use_dictionary=False, data_page_size=1 << 16)
    return path


def test_a_row_group_is_never_in_memory(wide: Path) -> None:
    source = open_source(str(wide), rows_per_chunk=ROWS)
    before, most = pa.total_allocated_bytes(), 0
    with RowReader(source, columns=["ID", "WIDE"], batch_rows=100) as reader:
        for _ in reader.read(source.chunks[0]):
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 8 << 20


@pytest.mark.parametrize("spare", [(), ("ID", "WIDE")], ids=["rows", "failed rows"])
def test_each_chunk_decodes_its_own_rows_alone(
    wide: Path, spare: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = 0

    class Spy(pq.ParquetFile):
        def iter_batches(self, *arguments: Any, **options: Any) -> Iterator[pa.RecordBatch]:
            nonlocal decoded
            for batch in super().iter_batches(*arguments, **options):
                decoded += batch.num_rows
                yield batch

    source = open_source(str(wide), rows_per_chunk=ROWS // 50)
    monkeypatch.setattr("worker.input._parquet.pq.ParquetFile", Spy)
    seen = []
    with RowReader(source, columns=["ID"], spare=spare, batch_rows=64) as reader:
        for chunk in source.chunks:
            assert sum(batch.num_rows for batch in reader.read(chunk)) == chunk.rows
            seen.append(decoded)
    assert decoded == ROWS
    costs = [after - before for before, after in zip([0, *seen], seen, strict=False)]
    assert max(costs) <= ROWS // 50 + 64


@given(
    data=st.data(),
    rows_per_chunk=st.integers(1, 30),
    batch_rows=st.integers(1, 40),
    row_group_size=st.integers(1, 100),
)
def test_chunks_are_read_alike_in_any_order_and_as_far_as_one_likes(
    tmp_path_factory: pytest.TempPathFactory,
    data: st.DataObject,
    rows_per_chunk: int,
    batch_rows: int,
    row_group_size: int,
) -> None:
    folder = tmp_path_factory.mktemp("in")
    for name, first in (("a", 0), ("b", 60)):
        table = pa.table({"ID": range(first, first + 60)})
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=row_group_size)
    source = open_source(str(folder), rows_per_chunk=rows_per_chunk)
    wanted = data.draw(st.lists(st.sampled_from(source.chunks), max_size=8))
    with RowReader(source, columns=["ID"], batch_rows=batch_rows) as reader:
        for chunk in wanted:
            batches = data.draw(st.integers(1, 5))
            found = [row for _, batch in zip(range(batches), reader.read(chunk), strict=False)
                     for row in batch.column("ID").to_pylist()]  # fmt: skip
            first = chunk.index * rows_per_chunk
            assert found == [*range(first, first + min(chunk.rows, batches * batch_rows))]
