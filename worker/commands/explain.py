"""`explain`: everything known about the rows of one ID, from the output folder and the input."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.codec.column_names import error_names, result_names
from worker.codec.texts import text_column
from worker.commands.explained import MATCHES_MAX, Explanation, PartMatches
from worker.errors import ConflictError, InputError
from worker.input.gather import decoded_batches
from worker.input.reader import RowReader
from worker.job import Job, open_job
from worker.model import Chunk, Failure
from worker.output.run_folder import check_format
from worker.output.same_input import changed_files, is_made_from, made_from
from worker.personalize.error_codes import INVALID_ROW
from worker.report.source import open_run
from worker.store.base import Store


def explain(store: Store, identifier: str) -> Explanation:
    """Return the requests, results and errors of the rows whose user or item ID is `identifier`.

    The requests are built again from the input, which must still be there. Of each part at most
    `MATCHES_MAX` of each. Raises ConfigError when the folder holds no run, InputError when no row
    has the ID, or the input is another one by now, ConflictError when the run is of another format.
    """
    files = open_run(store)
    check_format(files.run.format, files.run.version, store)
    run, job = files.run, open_job(files.config)
    if job.source.fingerprint != run.input.fingerprint:
        raise _changed(job)
    changed = changed_files(job.source, run)
    columns = job.config.input.columns
    names = [name for name in (columns.user_id, columns.item_id) if name]
    rows: list[PartMatches] = []
    with job.reader() as reader, job.reader() as again:
        for chunk in job.source.chunks:
            found = _chunk_rows(job, reader, store, chunk, names, identifier)
            is_done = found and store.exists(chunk.part_name)
            is_in_doubt = is_done and made_from(chunk, changed)
            if is_in_doubt and not is_made_from(job, again, store, chunk):
                raise _changed(job)
            rows.extend(found)
    if not rows:
        raise InputError(
            f"no row of {job.config.input.path} has the ID {identifier!r} in {' or '.join(names)}",
            hint="IDs are case-sensitive; the input may have changed since the run",
        )
    return Explanation(id=identifier, run_id=run.run_id, rows=tuple(rows))


def _changed(job: Job) -> InputError:
    return InputError(
        f"the input {job.config.input.path} has changed since the run",
        hint="explain builds requests again from the input; bring the old one back",
    )


def _chunk_rows(
    job: Job,
    reader: RowReader,
    store: Store,
    chunk: Chunk,
    names: list[str],
    identifier: str,
) -> list[PartMatches]:
    matching = (
        _request(body)
        for rows in reader.read(chunk)
        for body in job.builder.build(rows.filter(_same(rows, names, identifier)))
    )
    requests = list(itertools.islice(matching, MATCHES_MAX))
    if not requests:
        return []
    named = result_names(job.copied, job.shape, job.config.output.layout)
    in_results = [named[name] for name in names]
    results = _matching(store, chunk.part_name, in_results, identifier)
    errors = _matching(store, chunk.errors_name, names, identifier)
    own = error_names(job.errors_schema)
    repeated = [row for row in results if not row["attempts"]]
    failed = (row for row in errors if row[own["error_code"]] != INVALID_ROW)
    repeated += (row for row in failed if not row[own["attempts"]])
    for row in repeated:
        row.setdefault("answered_by", "an identical request of this part")
    if store.exists(chunk.part_name):
        state = "failed" if errors and not results else "done"
    else:
        state = "not done yet: run again to carry on"
    return [
        PartMatches(
            part=chunk.part_name,
            state=state,
            requests=tuple(requests),
            results=tuple(results),
            errors=tuple(errors),
        )
    ]


def _request(body: bytes | Failure) -> Any:
    return {"not sent": body.message} if isinstance(body, Failure) else orjson.loads(body)


def _same(rows: pa.RecordBatch, names: list[str], identifier: str) -> pa.BooleanArray:
    """Return which rows have the ID in any of the columns."""
    wanted = pa.scalar(identifier)
    return functools.reduce(
        pc.or_kleene, [pc.equal(text_column(rows.column(name)), wanted) for name in names]
    )


def _matching(store: Store, name: str, names: list[str], identifier: str) -> list[dict[str, Any]]:
    if not store.exists(name):
        return []
    found: list[dict[str, Any]] = []
    try:
        with store.open_read(name) as file:
            for rows in decoded_batches(pq.ParquetFile(file)):
                matching = rows.filter(_same(rows, names, identifier))
                found.extend(_shown(matching))
                if len(found) >= MATCHES_MAX:
                    break
    except (pa.ArrowException, OSError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConflictError(
            f"{store.shown(name)} cannot be read: {why}",
            hint="move it away and run again; the rows of that part are then computed anew",
        ) from None
    return found[:MATCHES_MAX]


def _shown(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows as Python's values, and as text what Python has none for."""
    columns = [_column(rows.column(name)) for name in rows.schema.names]
    return [dict(zip(rows.schema.names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(column: pa.Array[Any]) -> list[Any]:
    if isinstance(column.type, pa.TimestampType):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        return [_value(scalar) for scalar in column]


def _value(scalar: pa.Scalar[Any]) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):  # past the year 9999, a nanosecond, no UTF-8
        try:
            return scalar.cast(pa.string()).as_py()
        except (ValueError, pa.ArrowException):
            return f"a {scalar.type} that cannot be shown"
