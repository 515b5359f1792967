"""The words of the pipeline: Chunk, Batch, Answer, Failure, Outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

DIGEST_BYTES = 16  # of a request; two of 2^20 are taken for one by a chance below 1 in 10^26


@dataclass(frozen=True, slots=True)
class Piece:
    """A contiguous range of rows of one row group."""

    path: str
    row_group: int
    offset: int  # first row, counted from the row group's start
    rows: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A contiguous range of input rows: the unit of reading, committing and resuming.

    Known from the Parquet footers alone, so the same input gives the same chunks, and the same
    part names, on every run.
    """

    index: int
    pieces: tuple[Piece, ...]

    def __hash__(self) -> int:
        """Return the index, which no two chunks of a run share; hashing all pieces takes longer."""
        return self.index

    @property
    def rows(self) -> int:
        """Input rows, before `where`."""
        return sum(piece.rows for piece in self.pieces)

    @property
    def part_name(self) -> str:
        """The file that holds this chunk's results, relative to the output folder."""
        return part_name(self.index)

    @property
    def errors_name(self) -> str:
        """The file that holds this chunk's failed rows, relative to the output folder."""
        return f"_errors/{self.part_name}"


def part_name(index: int) -> str:
    """Return the name of the file that holds the results of Chunk `index`, from 0."""
    return f"part-{index:05d}.parquet"


class Answer(NamedTuple):
    """An HTTP 200: its JSON body, not looked into yet."""

    body: bytes
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer. `code` is the service's error code, or a name of this program's."""

    code: str
    message: str
    http_status: int | None = None
    request_id: str | None = None
    retry_after_s: float | None = None  # how long the service asks to wait, if it does


class Outcome(NamedTuple):
    """The end of one row: its answer, or why there is none."""

    result: Answer | Failure
    attempts: int  # HTTP attempts made; 0: never sent, or a duplicate
    throttles: int  # how many of them the service throttled
    sent_us: int  # when the last attempt left (or the row was refused), microseconds UTC
    latency_ms: float  # of the last attempt, from sending to the whole body


def answer_bytes(outcome: Outcome) -> int:
    """Return how much memory an outcome holds, but for what all of them do."""
    return len(outcome.result.body) if isinstance(outcome.result, Answer) else 0


def without_body(outcome: Outcome) -> Outcome:
    """Return an outcome without the bytes of its answer."""
    result = outcome.result
    return (
        outcome._replace(result=result._replace(body=b""))
        if isinstance(result, Answer)
        else outcome
    )


@dataclass(slots=True)
class Batch:
    """Consecutive rows of one chunk on their way through the pipeline."""

    chunk: Chunk
    sequence: int  # position among all batches of the run: the order in which they are written
    first_row: int  # position of its first row among the chunk's selected ones
    is_last: bool  # the chunk's last batch
    rows: pa.RecordBatch  # the ID and `keep` columns, and those that requests are made from
    # Of each row; None: not in memory yet. The writer reads what is on disk: see `settle_unread`.
    outcomes: list[Outcome | None]
    open_rows: int  # rows that a call is made for, or that may need one
    held_bytes: int  # memory that ends when the batch is written: rows, answers
    # By row, 1: answered by an earlier invocation; read from the spool when the batch is written,
    # unless what was asked then is not what the row asks now.
    kept: bytearray
    answers_bytes: int = 0  # of these, answers
    # Of all rows, one after the other, DIGEST_BYTES each: digests of the requests that they make,
    # as far as these are built; and of those whose answers are kept, if any are.
    digests: bytearray = field(default_factory=bytearray)
    kept_digests: bytearray = field(default_factory=bytearray)
    # Rows whose answers are in the spool alone, for lack of room, by position: how many bytes. The
    # outcome has an empty body.
    spooled: dict[int, int] = field(default_factory=dict)
    # Rows whose outcome is another's, by position: the row of the chunk that it is.
    duplicates: dict[int, int] = field(default_factory=dict)
    is_of_last_chunk: bool = False  # after its chunk, the run has no other to do

    @property
    def is_done(self) -> bool:
        """Whether the batch can be written: no row of it is open."""
        return self.open_rows == 0

    def settle(self, row: int, outcome: Outcome) -> None:
        """End an open row with its outcome."""
        self.outcomes[row] = outcome
        self.open_rows -= 1

    def settle_in_spool(self, row: int, outcome: Outcome) -> None:
        """End an open row whose answer is in the spool, and is to stay there alone."""
        self.spooled[row] = answer_bytes(outcome)
        self.settle(row, without_body(outcome))

    def settle_unread(self) -> None:
        """End an open row whose outcome the writer reads: one that is kept, or a duplicate."""
        self.open_rows -= 1

    def digest(self, row: int) -> bytes:
        """Return the digest of a row's request, which has been built."""
        return bytes(self.digests[DIGEST_BYTES * row : DIGEST_BYTES * (row + 1)])

    def is_kept(self, row: int) -> bool:
        """Return whether the answer to what a row asks is kept; its request has been built."""
        is_noted = bool(self.kept[row])
        return is_noted and self.kept_digests.startswith(self.digest(row), DIGEST_BYTES * row)
