"""How many bytes may be in memory of what grows with rows, answers or users: all of it, a table.

Each bound is used where the table says, and nowhere set again. What a single row or answer comes to
may be on top of each. Python's own objects and the allocator's holes are not counted.
"""

from __future__ import annotations

from typing import NamedTuple

_MIB = 1 << 20

HELD_BYTES_MAX = 32 * _MIB
"""Of rows and answers, from where on rows of the oldest batch alone are called for."""
READ_BYTES_MAX = 8 * _MIB
"""Of rows, decoded: what a batch of Parquet has at most, or the rows of one step."""
BATCH_BYTES_MAX = 8 * _MIB
"""Of rows; what one row comes to is a batch of its own."""
READY_BYTES_MAX = 8 * _MIB
"""Of requests that wait for a turn, beyond the few that are made just before they are sent."""
INTAKE_BYTES_MAX = 64 * _MIB
"""Of answers that are not whole; besides these, the oldest one, and a read of each other one."""
SPOOLED_FROM_BYTES = 64 * _MIB
"""Of whole answers; further ones stay in the spool alone."""
UNSPOOLED_BYTES_MAX = 2 * _MIB
"""Of answers, by when they are written before their two seconds are over."""
SPOOL_READ_BYTES = 8 * _MIB
"""Of bodies, at once; or one body."""
PIECE_BYTES = 8 * _MIB
"""Of JSON that is decoded at once, to a few times as many bytes; or one answer."""
ROW_GROUP_BYTES = 8 * _MIB
"""Of rows that wait until they make a row group; larger ones are no smaller on disk."""

COMPARED_BYTES_MAX = 64 * _MIB
"""Of the columns of requests; those of rows beyond it count as different."""
COUNTED_BYTES = 16 * _MIB
"""Of rows that are counted at once."""

KEPT_USERS_BYTES_MAX = 64 * _MIB
"""Of bodies: an input that is larger is read again for each cycle."""
SAMPLE_BYTES_MAX = 128 * _MIB
"""Of the bodies of a sample: where they are large, fewer rows are chosen."""


class Bound(NamedTuple):
    """A row of the table."""

    what: str
    bytes_max: int
    held_by: str  # a class, or a module


CALLING = (
    Bound("rows read ahead", HELD_BYTES_MAX // 2, "pipeline._memory.MemoryBound"),
    Bound(
        "readings of the input: one more than that, the next, and what it is put together from",
        3 * READ_BYTES_MAX,
        "input.gather",
    ),
    Bound("requests made ahead in an outage", READY_BYTES_MAX, "pipeline._dispatch.Dispatcher"),
    Bound("answers on their way", INTAKE_BYTES_MAX, "transport.intake.Intake"),
    Bound(
        "whole answers that wait for their batch",
        SPOOLED_FROM_BYTES,
        "pipeline._memory.MemoryBound",
    ),
    Bound(
        "answers not in the spool yet", UNSPOOLED_BYTES_MAX, "pipeline._spool_keeper.SpoolKeeper"
    ),
    Bound("bodies read back from the spool", SPOOL_READ_BYTES, "output.spool.Spool"),
    Bound("bodies that are decoded at once", PIECE_BYTES, "output.pieces"),
    Bound("rows of two row groups", 2 * ROW_GROUP_BYTES, "output.row_groups.RowGroups"),
)
"""While calls are made."""

FORECAST = (
    Bound("columns of requests that are compared", COMPARED_BYTES_MAX, "pipeline.forecast"),
    Bound("rows that are counted at once", COUNTED_BYTES, "pipeline.forecast"),
)
"""Before the first call."""

LOADTEST = (
    Bound("bodies in turns", KEPT_USERS_BYTES_MAX, "loadtest.bodies"),
    Bound("rows that bodies are chosen from", SAMPLE_BYTES_MAX, "loadtest.bodies"),
)
"""In a load test, for the users it calls for."""


def total_bytes(bounds: tuple[Bound, ...]) -> int:
    """Return the most that all of some bounds come to."""
    return sum(bound.bytes_max for bound in bounds)
