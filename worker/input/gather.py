"""Rows as Parquet gives them -> batches that are bounded by what they come to, decoded."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from worker.input.sizes import cut, rows_bytes
from worker.runtime.memory_budget import READ_BYTES_MAX

BATCH_ROWS = 1 << 16
# At once: what a row comes to is in no footer, where a value may count for many rows.
_STEP_ROWS = 64
# Of columns that Arrow leaves in dictionaries: each step costs as much as making a dictionary.
_REFERRING_ROWS = 1024


def decoded_batches(
    file: pq.ParquetFile, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield a file's rows in batches of READ_BYTES_MAX or BATCH_ROWS rows.

    Memory: two of these. Raises what Arrow raises.
    """
    names = file.schema_arrow.names if columns is None else columns
    steps = file.iter_batches(
        step_rows(file.schema_arrow, names),
        columns=list(names),
        use_threads=False,
    )
    return gathered(steps, batch_rows=BATCH_ROWS)


def step_rows(schema: pa.Schema, columns: Sequence[str]) -> int:
    """Return how many rows to decode at once."""
    kinds = [schema.field(name).type for name in columns if name in schema.names]
    return _REFERRING_ROWS if any(map(pa.types.is_dictionary, kinds)) else _STEP_ROWS


def gathered(batches: Iterable[pa.RecordBatch], *, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows in batches that come to `batch_rows` rows, or to READ_BYTES_MAX."""
    held: list[pa.RecordBatch] = []
    held_rows = held_bytes = 0
    for batch in itertools.chain.from_iterable(map(_narrowed, batches)):
        held.append(batch)
        held_rows += batch.num_rows
        held_bytes += _decoded_bytes(batch)
        if held_rows >= batch_rows or held_bytes >= READ_BYTES_MAX:
            yield joined(held)
            held, held_rows, held_bytes = [], 0, 0
    if held:
        yield joined(held)


def joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return the rows of one batch at least as one."""
    if len(batches) == 1:
        return batches[0]
    (whole,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return whole


def _narrowed(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Yield the rows of one step, in several pieces when they come to more than READ_BYTES_MAX."""
    if _decoded_bytes(batch) <= READ_BYTES_MAX:
        yield batch
    else:
        for begin, end in cut(rows_bytes(batch), READ_BYTES_MAX):
            yield batch.slice(begin, end - begin)


def _decoded_bytes(batch: pa.RecordBatch) -> int:
    if any(pa.types.is_dictionary(kind) for kind in batch.schema.types):
        return sum(rows_bytes(batch))
    return batch.nbytes
