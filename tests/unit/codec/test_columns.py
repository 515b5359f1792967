"""The columns of the output: reasons that are there already."""

from __future__ import annotations

import pyarrow as pa

from worker.codec import columns

INPUT = pa.RecordBatch.from_pydict({"ID": [""], "WIDE": [0]}).schema


def test_the_failed_rows_of_failed_rows_have_one_reason() -> None:
    once = columns.errors_schema(INPUT)
    assert columns.errors_schema(once) == once
