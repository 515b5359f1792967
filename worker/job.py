"""A config and its input, opened and checked: what `plan`, `run` and `explain` start from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import orjson
import pyarrow as pa

from worker.codec.accepted_types import (
    check_column_types,
    check_ids_are_whole,
    inexact_ids,
)
from worker.codec.columns import errors_schema, results_schema
from worker.codec.requests import RequestBuilder, request_constants
from worker.config.identity import identity
from worker.config.model import Config
from worker.config.rules import num_results_max
from worker.errors import ConfigError
from worker.input.condition import Where
from worker.input.reader import RowReader
from worker.input.source import Source, open_source, require_columns
from worker.model import Chunk
from worker.personalize import limits
from worker.personalize.answer_shape import SHAPES, AnswerShape
from worker.personalize.operations import Operation
from worker.store.open import clash


@dataclass(frozen=True)
class Job:
    """Everything about a run that is known before its first call."""

    config: Config
    source: Source
    builder: RequestBuilder
    shape: AnswerShape
    where: Where | None
    copied: tuple[str, ...]  # the ID and `keep` columns, in output order
    results_schema: pa.Schema
    errors_schema: pa.Schema
    batch_rows: int  # at most
    answer_bytes: int  # what an answer is expected to come to

    def reader(self, *, batches: int = 1) -> RowReader:
        """Return what reads chunks' selected rows, cut into the same batches, so many at a time."""
        return self.reader_of(self._columns, batch_rows=self.batch_rows * batches)

    def reader_of(self, columns: Sequence[str], *, batch_rows: int) -> RowReader:
        """Return what reads some columns of chunks' selected rows, so many rows at a time."""
        return RowReader(self.source, columns=columns, where=self.where, batch_rows=batch_rows)

    def reader_of_all(self) -> RowReader:
        """Return what reads chunks' selected rows with all columns of the input.

        Those that nothing but `_errors/` has a use for are null where they cannot be read.
        """
        return RowReader(
            self.source,
            columns=self._columns,
            spare=self.source.schema.names,
            where=self.where,
            batch_rows=self.batch_rows,
        )

    def read(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """Yield what `reader` reads of one chunk."""
        with self.reader() as reader:
            yield from reader.read(chunk)

    @property
    def batches_per_read(self) -> int:
        """How many batches a visit to the disk repays."""
        rows = _READ_BYTES // max(1, self.source.row_bytes)
        return max(1, min(_BATCHES_PER_READ_MAX, rows // self.batch_rows))

    def no_rows(self) -> pa.RecordBatch:
        """Return what `read` would yield for no rows."""
        schema = pa.schema([self.source.schema.field(name) for name in self._columns])
        return pa.RecordBatch.from_pylist([], schema=schema)

    @property
    def _columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.copied, *self.config.input.columns.all)))

    @cached_property
    def run_id(self) -> str:
        """16 hex digits: of the config's identity, and of the input's names, sizes and footers."""
        parts = [identity(self.config), self.source.fingerprint]
        text = orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:16]


def open_job(config: Config) -> Job:
    """Open the input and check it against the config; raise InputError or ConfigError."""
    source = open_source(config.input.path, rows_per_chunk=config.output.rows_per_part)
    _check_apart(source, config.input.path, config.output.path)
    columns, keep = config.input.columns, config.input.keep
    require_columns(source, columns.all, key="input.columns")
    require_columns(source, keep, key="input.keep")
    check_column_types(source.schema, columns)
    where = None
    if config.input.where:
        from worker.input.where_parser import (  # its SQL parser is slow to import
            check_where,
            parse_where,
        )

        where = parse_where(config.input.where)
        require_columns(source, where.columns, key="input.where")
        check_where(where, source.schema)
    copied = (*columns.ids, *keep)
    shape = SHAPES[config.target.operation]
    copied_schema = pa.schema([source.schema.field(name) for name in copied])
    with_metadata = bool(config.request.metadata_columns)
    job = Job(
        config=config,
        source=source,
        builder=RequestBuilder(
            request_constants(config.target, config.request),
            columns,
            num_results_max=num_results_max(config),
            input_list_max=limits.INPUT_LIST_WITH_METADATA_MAX
            if with_metadata
            else limits.INPUT_LIST_MAX,
        ),
        shape=shape,
        where=where,
        copied=copied,
        results_schema=results_schema(copied_schema, shape, config.output.layout),
        errors_schema=errors_schema(source.schema),
        batch_rows=_batch_rows(_answer_bytes(config), source.row_bytes),
        answer_bytes=_answer_bytes(config),
    )
    _look_at_values(job)
    return job


def _look_at_values(job: Job) -> None:
    """Raise InputError when values that are selected do not do, where their types do not show it.

    IDs that are floats or decimals, and not all whole; columns of several types in the files, of
    which none holds all values. Statistics of Parquet do not show it, so such columns are read:
    6 million values a second and more.
    """
    inexact = inexact_ids(job.source.schema, job.config.input.columns)
    read = (*job.copied, *job.config.input.columns.all, *(job.where.columns if job.where else ()))
    doubtful = (name for name in read if name in job.source.doubtful)
    if names := tuple(dict.fromkeys((*inexact, *doubtful))):
        with job.reader_of(names, batch_rows=_LOOK_ROWS) as reader:
            for chunk in job.source.chunks:
                for rows in reader.read(chunk):
                    check_ids_are_whole(rows.select(list(inexact)))


def _check_apart(source: Source, input_path: str, output: str) -> None:
    """Raise ConfigError when a run would take its own results for input, or replace its input."""
    if places := clash(input_path, list(source.files), output):
        raise ConfigError(
            f"input and output lie in each other: {places[0]} and {places[1]}",
            hint="set output.path to a folder beside the input, not in it",
        )


_LOOK_ROWS = 1 << 16

# What is read at a time: to change to the reading thread costs more than to read a hundred rows.
_READ_BYTES = 1 << 20
_BATCHES_PER_READ_MAX = 4

# A batch waits in memory until all its answers are there: about 8 MiB of them, and of input.
_BATCH_BYTES = 8 << 20
_BATCH_ROWS_MAX = 1024
_ANSWER_BYTES = 200  # but for its items
_ITEM_BYTES = 60  # an item ID, a score, their names
_METADATA_VALUE_BYTES = 200


def _batch_rows(answer_bytes: int, row_bytes: int) -> int:
    """Return how many rows are decoded and written at once, from how large all of it will be.

    Of rows that turn out to be larger, fewer; of larger answers, a piece at a time.
    """
    return max(16, min(_BATCH_ROWS_MAX, _BATCH_BYTES // (row_bytes + answer_bytes)))


def _answer_bytes(config: Config) -> int:
    """Return what an answer will come to, before one is seen."""
    operation, request, columns = config.target.operation, config.request, config.input.columns
    if columns.num_results or columns.item_list:
        items = num_results_max(config)
    elif operation is Operation.GET_ACTION_RECOMMENDATIONS:
        items = request.num_results or limits.NUM_ACTIONS_DEFAULT
    else:
        items = request.num_results or limits.NUM_RESULTS_DEFAULT
    item_bytes = _ITEM_BYTES + _METADATA_VALUE_BYTES * len(request.metadata_columns)
    return _ANSWER_BYTES + item_bytes * items
