"""The output's columns, for both layouts, and for failed rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from worker.codec.column_names import (
    CALL_FIELDS,
    ERROR_FIELDS,
    UTC_US,
    error_names,
    result_names,
)
from worker.codec.decoded import Decoded
from worker.input.sizes import cut, value_bytes
from worker.model import Failure, Outcome
from worker.personalize.answer_shape import AnswerShape

# Of exploded rows: what a reader of the part has in memory for those of a row group.
EXPLODED_BYTES_MAX = 128 << 20
# What a wide value is repeated to in memory; larger blocks were no quicker to write.
BLOCK_BYTES = 128 << 10


def results_schema(copied: pa.Schema, shape: AnswerShape, layout: str) -> pa.Schema:
    """Return the schema of the results; `copied` are the ID and `keep` columns.

    One of these that has the name of a column of the results' own gets another (`result_names`).
    """
    if layout == "exploded":
        own = [pa.field("rank", pa.int32()), *shape.type]
    else:
        own = [pa.field(shape.column, pa.list_(shape.type))]
    names = result_names(copied.names, shape, layout)
    renamed = [field.with_name(names[field.name]) for field in copied]
    return pa.schema([*renamed, pa.field("recommendation_id", pa.string()), *own, *CALL_FIELDS])


def nested(
    copied: pa.RecordBatch, decoded: Decoded, outcomes: Sequence[Outcome], schema: pa.Schema
) -> pa.RecordBatch:
    """Return one row per answered input row; `copied` holds just those rows, in order."""
    own = [decoded.recommendation_ids, decoded.lists, *_call_columns(outcomes)]
    return pa.RecordBatch.from_arrays([*copied.columns, *own], schema=schema)


def explode(rows: pa.RecordBatch, shape: AnswerShape, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield one row per item of nested `rows`; a row without items keeps one, of nulls.

    Each table has whole rows of `rows`: one, or so many that they come to EXPLODED_BYTES_MAX when
    they are read. It takes far less: what is wide is not copied to each item, but referred to.
    """
    lists = rows.column(shape.column)
    if not isinstance(lists, pa.ListArray):
        raise TypeError(f"{shape.column} is a {lists.type}")
    has_items = pc.greater(lists.value_lengths(), pa.scalar(0, pa.int32()))
    if pc.any(pc.invert(has_items)).as_py():
        lists = pc.if_else(has_items, lists, pa.scalar([None], lists.type))
    counts = lists.value_lengths().cast(pa.int64())
    sizes = value_bytes(lists)
    for name in rows.schema.names:
        if name != shape.column:
            sizes = pc.add(sizes, pc.multiply(value_bytes(rows.column(name)), counts))
    for begin, end in cut(sizes.to_pylist(), EXPLODED_BYTES_MAX):
        some = slice(begin, end)
        yield _exploded(rows[some], lists[some], counts[some], shape, schema)


def _exploded(
    rows: pa.RecordBatch,
    lists: pa.ListArray[Any],
    counts: pa.Array[Any],
    shape: AnswerShape,
    schema: pa.Schema,
) -> pa.Table:
    items, parents = pc.list_flatten(lists), pc.list_parent_indices(lists)
    columns: list[pa.Array[Any] | pa.ChunkedArray[Any]] = []
    for field in schema:
        if field.name == "rank":
            columns.append(_ranks(lists, parents, items))
        elif field.name in shape.type.names:
            columns.append(pc.struct_field(items, field.name))
        else:
            columns.append(repeated(rows.column(field.name), counts, parents))
    return pa.Table.from_arrays(columns, schema=schema)


def repeated(
    values: pa.Array[Any], counts: pa.Array[Any], parents: pa.Array[Any]
) -> pa.Array[Any] | pa.ChunkedArray[Any]:
    """Return `values`, each as often as `counts` says; `parents` says the same, value by value.

    Of what is wide no more than BLOCK_BYTES are made, and then referred to again and again.
    """
    each = value_bytes(values)
    sizes = pc.multiply(each, counts).to_pylist()
    if sum(sizes) <= BLOCK_BYTES:
        return values.take(parents)
    chunks: list[pa.Array[Any]] = []
    widths: list[int] = each.to_pylist()
    often: Any = counts.to_pylist()
    begins = [*accumulate(often, initial=0)]
    for begin, end in cut(sizes, BLOCK_BYTES):
        if sizes[begin] <= BLOCK_BYTES:
            chunks.append(values.take(parents[begins[begin] : begins[end]]))
            continue
        times, left = max(1, BLOCK_BYTES // widths[begin]), often[begin]
        block = values.take(pa.repeat(pa.scalar(begin, pa.int64()), min(times, left)))
        chunks += [block] * (left // len(block))
        if rest := left % len(block):
            chunks.append(block[:rest])
    return pa.chunked_array(chunks, values.type)


def _ranks(lists: pa.ListArray[Any], parents: pa.Array[Any], items: pa.Array[Any]) -> Any:
    """Count each list's items from 1; one that stands for no items has no rank."""
    counted = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int32()), len(items)))
    before = pc.subtract(lists.offsets, lists.offsets[0]).take(parents)
    return pc.if_else(items.is_valid(), pc.subtract(counted, before), None)


def errors_schema(source: pa.Schema) -> pa.Schema:
    """Return the schema of failed rows: all input columns, then why (`error_names`)."""
    names = error_names(source)
    own = [field.with_name(names[field.name]) for field in ERROR_FIELDS]
    return pa.schema([*(field for field in source if field.name not in names.values()), *own])


def failed(
    rows: pa.RecordBatch, outcomes: Sequence[tuple[Failure, Outcome]], schema: pa.Schema
) -> pa.RecordBatch:
    """Return failed input rows, given with all their columns, beside why each failed."""
    inputs: list[pa.Array[Any]] = [
        rows.column(field.name) for field in list(schema)[: -len(ERROR_FIELDS)]
    ]
    failures = [failure for failure, _ in outcomes]
    own: list[pa.Array[Any]] = [
        pa.array([failure.code for failure in failures], pa.string()),
        pa.array([failure.message for failure in failures], pa.string()),
        pa.array([failure.http_status for failure in failures], pa.int16()),
        pa.array([outcome.attempts for _, outcome in outcomes], pa.int8()),
        pa.array([failure.request_id for failure in failures], pa.string()),
        pa.array(
            [outcome.sent_us + round(outcome.latency_ms * 1e3) for _, outcome in outcomes], UTC_US
        ),
    ]
    return pa.RecordBatch.from_arrays([*inputs, *own], schema=schema)


def _call_columns(outcomes: Sequence[Outcome]) -> list[pa.Array[Any]]:
    request_ids = [outcome.result.request_id for outcome in outcomes]
    return [
        pa.array([outcome.sent_us for outcome in outcomes], UTC_US),
        pa.array([outcome.latency_ms for outcome in outcomes], pa.float32()),
        pa.array([outcome.attempts for outcome in outcomes], pa.int8()),
        pa.array(request_ids, pa.string()),
    ]
