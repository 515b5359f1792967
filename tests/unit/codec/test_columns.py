"""The columns of the output: names that clash, reasons that are there already."""

from __future__ import annotations

import pyarrow as pa
import pytest

from worker.codec import columns
from worker.errors import ConfigError
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation

SHAPE = SHAPES[Operation.GET_RECOMMENDATIONS]


INPUT = pa.RecordBatch.from_pydict({"ID": [""], "WIDE": [0]}).schema


def test_an_input_column_named_like_a_result_is_refused() -> None:
    with pytest.raises(ConfigError, match="'latency_ms' has the name of a result column"):
        columns.results_schema(pa.schema([("latency_ms", pa.string())]), SHAPE, "nested")


def test_the_failed_rows_of_failed_rows_have_one_reason() -> None:
    once = columns.errors_schema(INPUT)
    assert columns.errors_schema(once) == once
