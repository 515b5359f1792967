"""Output folders of runs that never were: parts, failed rows and `_run.json`, without a call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from support.runs import campaign_arn

from worker.codec.columns import errors_schema, explode, results_schema
from worker.config.model import Config
from worker.output.books import BOOKS_KEY, Books
from worker.personalize.answer_shape import SHAPES
from worker.report.source import RunFiles, open_run
from worker.store.local import LocalStore

BEGUN_US = 1_795_316_400_000_000  # 2026-11-22 03:00:00 UTC
_UTC_US = pa.timestamp("us", "UTC")


class Row(NamedTuple):
    """A row with a result."""

    user: str | None
    items: Sequence[str] = ()
    scores: Sequence[float | None] | None = None
    at_s: float = 0.0
    latency_ms: float = 10.0
    attempts: int = 1
    promotions: Sequence[str | None] | None = None
    reasons: Sequence[Sequence[str] | None] | None = None


class Failed(NamedTuple):
    """A failed row."""

    user: str | None
    code: str = "InternalFailure"
    message: str = "an error"
    http_status: int | None = 500
    at_s: float = 0.0
    attempts: int = 6


def make_run(
    folder: Path,
    parts: Sequence[Sequence[Row | Failed]],
    *,
    layout: str = "nested",
    group_rows: int = 3,
    parts_expected: int | None = None,
    **sections: dict[str, Any],
) -> RunFiles:
    """Write a run that is not finished, a list of rows a part, and open it."""
    folder.mkdir(parents=True, exist_ok=True)
    values: dict[str, Any] = {
        "target": {"operation": "GetRecommendations", "campaign_arn": campaign_arn("made")},
        "input": {"path": "users.parquet", "columns": {"user_id": "USER_ID"}},
        "output": {"path": str(folder), "layout": layout},
    }
    for name, keys in sections.items():
        values[name] = {**values.get(name, {}), **keys}
    config = Config.model_validate(values)
    for number, rows in enumerate(parts):
        _write_part(folder, f"part-{number:05d}.parquet", rows, config, group_rows)
    about = {
        "version": "0",
        "run_id": "0123456789abcdef",
        "created_at": "2026-11-22T03:00:00+00:00",
        "identity": {},
        "input": {"fingerprint": ""},
        "config": config.model_dump(mode="json", exclude_none=True),
        "plan": {"parts": len(parts) if parts_expected is None else parts_expected},
    }
    (folder / "_run.json").write_text(json.dumps(about))
    return open_run(LocalStore(folder))


def _write_part(
    folder: Path, name: str, rows: Sequence[Row | Failed], config: Config, group_rows: int
) -> None:
    answered = [row for row in rows if isinstance(row, Row)]
    failed = [row for row in rows if isinstance(row, Failed)]
    books = Books(rows_read=len(rows), results=len(answered), seconds=1.0)
    books.calls = sum(row.attempts for row in rows)
    books.retries = sum(max(0, row.attempts - 1) for row in rows)
    books.errors.update(row.code for row in failed)
    books.enter_latencies([row.latency_ms for row in answered if row.attempts])
    schema = _results([], config).schema
    with pq.ParquetWriter(folder / name, schema) as writer:
        for start in range(0, len(answered), group_rows):  # a row's lines stay together
            writer.write_table(_results(answered[start : start + group_rows], config))
        writer.add_key_value_metadata({BOOKS_KEY: books.dump().decode()})
    if failed:
        (folder / "_errors").mkdir(exist_ok=True)
        schema = errors_schema(pa.schema([("USER_ID", pa.string())]))
        lines = [
            (row.user, row.code, row.message, row.http_status, row.attempts, None, _us(row.at_s))
            for row in failed
        ]
        columns = [pa.array(list(values)) for values in zip(*lines, strict=True)]
        arrays = [array.cast(field.type) for array, field in zip(columns, schema, strict=True)]
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), folder / "_errors" / name)


def _results(rows: Sequence[Row], config: Config) -> pa.Table:
    shape, copied = SHAPES[config.target.operation], pa.schema([("USER_ID", pa.string())])
    nested = results_schema(copied, shape, "nested")
    entry_id = shape.type.names[0]
    lists = [
        [
            {
                entry_id: item,
                "score": row.scores and row.scores[place],
                "promotion_name": row.promotions and row.promotions[place],
                "reason": row.reasons and row.reasons[place],
            }
            for place, item in enumerate(row.items)
        ]
        for row in rows
    ]
    columns = {
        "USER_ID": [row.user for row in rows],
        "recommendation_id": ["RID"] * len(rows),
        shape.column: lists,
        "requested_at": pa.array([_us(row.at_s) for row in rows], pa.int64()).cast(_UTC_US),
        "latency_ms": [row.latency_ms for row in rows],
        "attempts": [row.attempts for row in rows],
        "request_id": ["request"] * len(rows),
    }
    table = pa.table(columns, schema=nested)
    if config.output.layout == "nested":
        return table
    schema = results_schema(copied, shape, "exploded")
    tables = [
        exploded
        for batch in table.to_batches()
        if batch.num_rows
        for exploded in explode(batch, shape, schema)
    ]
    return pa.concat_tables([schema.empty_table(), *tables])


def _us(at_s: float) -> int:
    return BEGUN_US + round(at_s * 1e6)
