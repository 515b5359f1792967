"""A config and its input, opened and checked: what `plan`, `run` and `explain` start from."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from worker import limits
from worker.build import RequestBuilder, check_column_types, request_constants
from worker.config import Config
from worker.decode import SHAPES, AnswerShape
from worker.layout import errors_schema, results_schema
from worker.model import Chunk
from worker.read import Source, open_source, read_batches, require_columns
from worker.rules import num_results_max


@dataclass(frozen=True)
class Job:
    """Everything about a run that is known before its first call."""

    config: Config
    source: Source
    builder: RequestBuilder
    shape: AnswerShape
    where: pc.Expression | None
    where_columns: tuple[str, ...]
    copied: tuple[str, ...]  # the ID and `keep` columns, in output order
    results_schema: pa.Schema
    errors_schema: pa.Schema
    batch_rows: int

    def read(self, chunk: Chunk, *, all_columns: bool = False) -> Iterator[pa.RecordBatch]:
        """Yield the chunk's selected rows, always cut into the same batches."""
        return read_batches(
            self.source,
            chunk,
            columns=self.source.schema.names if all_columns else self._columns,
            where=self.where,
            where_columns=self.where_columns,
            batch_rows=self.batch_rows,
        )

    def no_rows(self) -> pa.RecordBatch:
        """Return what `read` would yield for no rows."""
        schema = pa.schema([self.source.schema.field(name) for name in self._columns])
        return pa.RecordBatch.from_pylist([], schema=schema)

    @property
    def _columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.copied, *self.config.input.columns.all)))

    def identity(self) -> dict[str, Any]:
        """Return what makes this run this run: with any of it changed, results would not mix.

        How fast, how long and through which door the service is called does not count.
        """
        values = self.config.model_dump(mode="json", exclude_none=True)
        target = ("operation", "campaign_arn", "recommender_arn", "region")
        output = ("layout", "compression", "rows_per_part")
        return {
            "target": {key: values["target"][key] for key in target if key in values["target"]},
            "request": values.get("request", {}),
            "input": {**values["input"], "fingerprint": self.source.fingerprint},
            "output": {key: values["output"][key] for key in output if key in values["output"]},
        }

    @property
    def run_id(self) -> str:
        """16 hex digits of `identity`."""
        text = orjson.dumps(self.identity(), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()[:16]


def open_job(config: Config) -> Job:
    """Open the input and check it against the config; raise InputError or ConfigError."""
    source = open_source(config.input.path, rows_per_chunk=config.output.rows_per_part)
    columns, keep = config.input.columns, config.input.keep
    require_columns(source, columns.all, key="input.columns")
    require_columns(source, keep, key="input.keep")
    check_column_types(source.schema, columns)
    where, where_columns = None, tuple[str, ...]()
    if config.input.where:
        from worker.where import check_where, parse_where  # its SQL parser is slow to import

        where, where_columns = parse_where(config.input.where)
        require_columns(source, where_columns, key="input.where")
        check_where(where, config.input.where, source.schema)
    copied = (*columns.ids, *keep)
    shape = SHAPES[config.target.operation]
    copied_schema = pa.schema([source.schema.field(name) for name in copied])
    with_metadata = bool(config.request.metadata_columns)
    return Job(
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
        where_columns=where_columns,
        copied=copied,
        results_schema=results_schema(copied_schema, shape, config.output.layout),
        errors_schema=errors_schema(source.schema),
        batch_rows=_batch_rows(num_results_max(config) if columns.num_results else _asked(config)),
    )


# Answers wait in memory for their batch: 16 open batches of at most 4 MiB of JSON each.
OPEN_BATCHES_MAX = 16
_BATCH_BYTES = 4 << 20
_BATCH_ROWS_MAX = 1024


def _batch_rows(num_results: int) -> int:
    """Return how many rows are decoded and written at once, from how large answers will be."""
    item_bytes = 60  # an item ID, a score, their names
    return max(16, min(_BATCH_ROWS_MAX, _BATCH_BYTES // (200 + item_bytes * num_results)))


def _asked(config: Config) -> int:
    if config.input.columns.item_list:
        return num_results_max(config)  # as long as the longest list may be
    return config.request.num_results or limits.NUM_RESULTS_DEFAULT
