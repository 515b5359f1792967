"""What is left to do, counted before the first call: footers do not know what `where` selects."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from anyio import to_thread

from worker.codec.digests import request_digest
from worker.codec.duplicates import COMPARED_ROWS_MAX
from worker.input.reader import RowReader
from worker.job import Job
from worker.model import DIGEST_BYTES, Chunk
from worker.output.spool import Spool
from worker.output.spool_format import Mark
from worker.runtime.memory_budget import COMPARED_BYTES_MAX, COUNTED_BYTES
from worker.runtime.stop import StopSwitch
from worker.store.base import Store
from worker.telemetry.tally import Tally

_BATCH_ROWS = 1 << 16
_COMPARED_KEPT_ROWS = 1 << 13


async def look_ahead(
    job: Job, todo: Sequence[Chunk], tally: Tally, store: Store, switch: StopSwitch
) -> None:
    """Have `tally` expect what each chunk comes to.

    Reads the columns of `where` and of the requests: some 0.2 s for a million rows.
    Raises InputError on damaged data, StoppedError when `switch` is thrown.
    """
    with reader_to_count(job) as reader, job.reader() as again:
        for chunk in todo:
            switch.check()
            rows, calls = await to_thread.run_sync(count, job, reader, chunk)
            file, mark = store.spool(job.run_id, chunk.part_name), Mark.of(job.run_id, chunk)
            with store.errors_as_advice():
                kept = await to_thread.run_sync(_kept, job, again, chunk, Spool(file, mark))
            tally.expect(chunk, rows=rows, needless=min(rows, rows - calls + kept))


def reader_to_count(job: Job) -> RowReader:
    """Return what `count` reads with."""
    rows = min(_BATCH_ROWS, COUNTED_BYTES // max(1, job.source.row_bytes))
    return job.reader_of(job.config.input.columns.all, batch_rows=max(1, rows))


def count(job: Job, reader: RowReader, chunk: Chunk) -> tuple[int, int]:
    """Return the chunk's selected rows, and how many different requests they make at most.

    Rows that cannot be sent count as requests, those with a null ID as one. Requests with a list
    count as different, and so do those that are not compared. Memory: the request's columns of
    COMPARED_ROWS_MAX rows, up to COMPARED_BYTES_MAX. Blocking.
    """
    columns = list(job.config.input.columns.all)
    compared = job.config.input.deduplicate and not any(
        pa.types.is_nested(job.source.schema.field(name).type) for name in columns
    )
    rows, held, to_compare = 0, 0, list[pa.RecordBatch]()
    for batch in reader.read(chunk):
        if compared and rows < COMPARED_ROWS_MAX and held < COMPARED_BYTES_MAX:
            to_compare.append(_comparable(batch))
            held += batch.nbytes
        rows += batch.num_rows
    if not to_compare:
        return rows, rows
    requests = pa.Table.from_batches(to_compare)
    distinct = requests.group_by(columns, use_threads=False).aggregate([]).num_rows
    return rows, rows - requests.num_rows + distinct


def _comparable(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with UUIDs and JSON as they are stored: Arrow groups by nothing else."""
    columns = [
        column.storage if isinstance(column, pa.ExtensionArray) else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, rows.schema.names)


def _kept(job: Job, reader: RowReader, chunk: Chunk, spool: Spool) -> int:
    """Return about how many answers are kept that rows still ask for.

    Not all of them are, after the input was written again: the first rows show which share.
    """
    kept = spool.count()
    if not kept:
        return 0
    first_row = asked = same = 0
    for rows in reader.read(chunk):
        mask, digests = spool.kept(first_row, rows.num_rows)
        for row, request in enumerate(job.builder.build(rows) if digests else ()):
            if mask[row] and isinstance(request, bytes):
                asked += 1
                same += digests.startswith(request_digest(request), DIGEST_BYTES * row)
        first_row += rows.num_rows
        if first_row >= _COMPARED_KEPT_ROWS:
            break
    return round(kept * same / asked) if asked else kept
