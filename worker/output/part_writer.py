"""A Chunk's outcomes -> its part and its failed rows; the part's final name is the commit."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Protocol, TypedDict

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from worker.codec import columns
from worker.codec.decoded import Decoded
from worker.codec.decoder import Decoder
from worker.codec.digests import RowsDigest
from worker.config.values import Compression
from worker.model import Answer, Batch, Chunk, Failure, Outcome
from worker.output.books import BOOKS_KEY, Books
from worker.output.row_groups import RowGroups
from worker.personalize.answer_shape import AnswerShape
from worker.store.base import Store

LOST_KEY = "personalize_worker_lost_columns"
"""In the footer of failed rows: input columns that are null or missing in it, and why."""

# Columns whose values hardly ever come twice: a dictionary costs time and saves nothing. Exploded,
# an answer's own values come once per item.
_DISTINCT_IN_ITEMS = frozenset({"score"})
_DISTINCT_IN_ROWS = frozenset({"recommendation_id", "request_id", "requested_at", "latency_ms"})


class _ParquetOptions(TypedDict):
    """Options of ParquetWriter, by the path of each leaf."""

    use_dictionary: list[str]
    write_statistics: list[str]


class Again(Protocol):
    """Reads a chunk's rows a second time, with all columns of the input: `RowReader` does."""

    def read(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """Yield the chunk's batches."""

    @property
    def lost(self) -> Mapping[str, str]:
        """Columns that the chunk read last lacks, or has nulls for values of, and why."""


class PartWriter:
    """Writes one chunk.

    `add` the chunk's rows in order; when there are row groups `write` them, which may be beside an
    `add`; then `commit`, or `discard`. All that touch the disk block, and raise OutputError when it
    refuses; `discard` then raises nothing.
    """

    def __init__(
        self,
        store: Store,
        chunk: Chunk,
        *,
        copied: tuple[str, ...],
        shape: AnswerShape,
        results_schema: pa.Schema,
        errors_schema: pa.Schema,
        exploded: bool,
        compression: Compression,
    ) -> None:
        self._store = store
        self._chunk = chunk
        self._copied = copied
        self._shape = shape
        self._results_schema = results_schema
        self._errors_schema = errors_schema
        self._exploded = exploded
        self._compression = compression
        self._decoder = Decoder(shape)
        # Failed rows, by their position among the chunk's selected ones: why.
        self._failed: dict[int, tuple[Failure, Outcome]] = {}
        self._digest = RowsDigest()
        self.books = Books()
        with self._store.errors_as_advice():
            options = _parquet_options(results_schema, shape, exploded=exploded)
            self._results_file = store.create(chunk.part_name)
            self._results = self._open(self._results_file, results_schema, **options)
        self._row_groups = RowGroups(self._results)

    def add(self, batch: Batch) -> dict[int, Failure]:
        """Take the next batch into memory; return the rows whose answers are malformed, and why.

        Raises RuntimeError, a bug of this program, when a row of it is not done: those behind it
        would be given each other's outcomes.
        """
        outcomes = _all_done(batch)
        answered = [
            (row, outcome, outcome.result)
            for row, outcome in enumerate(outcomes)
            if isinstance(outcome.result, Answer)
        ]
        decoded = self._decoder.decode([answer for _, _, answer in answered])
        failures = {
            row: (outcome.result, outcome)
            for row, outcome in enumerate(outcomes)
            if isinstance(outcome.result, Failure)
        }
        malformed = {answered[at][0]: failure for at, failure in decoded.failures.items()}
        failures |= {row: (failure, outcomes[row]) for row, failure in malformed.items()}
        for row, failed in sorted(failures.items()):
            self._failed[batch.first_row + row] = failed
        copied = batch.rows.select(list(self._copied))
        self._digest.add(batch.digests, copied)
        self.books.enter(outcomes)
        self.books.duplicates += len(batch.duplicates)
        self.books.results += len(decoded.positions)
        self.books.errors.update(failure.code for failure, _ in failures.values())
        if decoded.positions:
            sound = [answered[position] for position in decoded.positions]
            chosen = copied.take([row for row, _, _ in sound])
            for rows in self._lay_out(chosen, decoded, [outcome for _, outcome, _ in sound]):
                self._row_groups.hold(rows)
        return malformed

    @property
    def is_quick(self) -> bool:
        """Whether `add` takes some 5 us for each KB, and not several times that."""
        return self._decoder.is_quick

    @property
    def has_row_groups(self) -> bool:
        """Whether there is something for `write`: rows that come to a row group."""
        return self._row_groups.has_full

    def write(self) -> None:
        """Write the row groups that are full."""
        with self._store.errors_as_advice():
            self._row_groups.write_full()

    def commit(self, again: Again) -> None:
        """Give the part its final name. `again` reads the chunk again with all its columns.

        Failed rows are written first: while the part is missing, the chunk counts as not done, so
        a crash in between repeats it and replaces both files.
        """
        name = self._chunk.errors_name
        with self._store.errors_as_advice():
            if self._failed:
                with (
                    self._store.create(name) as file,
                    self._open(file, self._errors_schema) as errors,
                ):
                    self._write_failed(RowGroups(errors), again.read(self._chunk))
                    if again.lost:
                        lost = orjson.dumps(dict(again.lost)).decode()
                        errors.add_key_value_metadata({LOST_KEY: lost})
                self._store.commit(name)
            else:
                self._store.remove(name)
            self._row_groups.write_all()
            self.books.check()
            self.books.digest = self._digest.text()
            self._results.add_key_value_metadata({BOOKS_KEY: self.books.dump().decode()})
            self._results.close()
            self._results_file.close()
            self._store.commit(self._chunk.part_name)

    def discard(self) -> None:
        """Drop what was written; nothing of it has a final name."""
        with suppress(OSError):  # a full disk, say, which has ended the run already
            self._results.close()
            self._results_file.close()
            self._store.discard(self._chunk.part_name)

    def _write_failed(self, row_groups: RowGroups, batches: Iterator[pa.RecordBatch]) -> None:
        """Write failed rows, found among all of the chunk; batches may be cut anywhere."""
        failed, position = deque(self._failed.items()), 0
        for rows in batches:
            chosen, reasons = list[int](), list[tuple[Failure, Outcome]]()
            while failed and failed[0][0] < position + rows.num_rows:
                row, reason = failed.popleft()
                chosen.append(row - position)
                reasons.append(reason)
            if chosen:
                table = columns.failed(rows.take(chosen), reasons, self._errors_schema)
                row_groups.hold(pa.Table.from_batches([table]))
                row_groups.write_full()
            position += rows.num_rows
        if failed:
            raise RuntimeError(f"the chunk has {position} rows, but row {failed[0][0]} has failed")
        row_groups.write_all()

    def _lay_out(
        self, copied: pa.RecordBatch, decoded: Decoded, outcomes: list[Outcome]
    ) -> Iterator[pa.Table]:
        if not self._exploded:
            rows = columns.nested(copied, decoded, outcomes, self._results_schema)
            yield pa.Table.from_batches([rows])
        else:
            copied = copied.rename_columns(self._results_schema.names[: copied.num_columns])
            between = columns.results_schema(copied.schema, self._shape, "nested")
            rows = columns.nested(copied, decoded, outcomes, between)
            yield from columns.explode(rows, self._shape, self._results_schema)

    def _open(
        self,
        file: pa.NativeFile,
        schema: pa.Schema,
        *,
        use_dictionary: bool | list[str] = True,
        write_statistics: bool | list[str] = True,
    ) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            file,
            schema,
            compression=self._compression,
            use_dictionary=use_dictionary,  # type: ignore[arg-type] # the stubs forget the list
            write_statistics=write_statistics,
        )


def _all_done(batch: Batch) -> list[Outcome]:
    done = [outcome for outcome in batch.outcomes if outcome is not None]
    if len(done) != batch.rows.num_rows:
        raise RuntimeError(
            f"{batch.rows.num_rows} rows of {batch.chunk.part_name} from {batch.first_row} on "
            f"are to be written, but {len(done)} are done"
        )
    return done


def _parquet_options(schema: pa.Schema, shape: AnswerShape, *, exploded: bool) -> _ParquetOptions:
    """Say which columns repay a dictionary, and which statistics: no one looks for a score.

    Parquet knows columns by the paths of their leaves, so an empty file is asked for these.
    """
    file = pa.BufferOutputStream()
    pq.ParquetWriter(file, schema).close()  # Arrow makes no empty table of numpy's tensors
    leaves = pq.ParquetFile(pa.BufferReader(file.getvalue())).schema
    distinct = _DISTINCT_IN_ITEMS if exploded else _DISTINCT_IN_ITEMS | _DISTINCT_IN_ROWS
    of_items = {shape.column, *shape.type.names}
    options = _ParquetOptions(use_dictionary=[], write_statistics=[])
    for path in (leaves.column(index).path for index in range(len(leaves))):
        outermost, innermost = path.split(".")[0], path.split(".")[-1]
        if innermost not in distinct:
            options["use_dictionary"].append(path)
        if outermost not in of_items:
            options["write_statistics"].append(path)
    return options
