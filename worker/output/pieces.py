"""A batch -> pieces of it that have room in memory, once their answers are read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from worker.input.sizes import cut
from worker.model import DIGEST_BYTES, Batch, answer_bytes
from worker.runtime.memory_budget import PIECE_BYTES


def held_sizes(batch: Batch) -> list[int]:
    """Return the bytes of each row's answer, of those that are in memory."""
    return [0 if each is None else answer_bytes(each) for each in batch.outcomes]


def pieces(batch: Batch, sizes: Sequence[int]) -> Iterator[Batch]:
    """Yield the batch in order: PIECE_BYTES of answers at a time, whose `sizes` are given by row.

    The batch itself when that is all of it.
    """
    if sum(sizes) <= PIECE_BYTES:
        yield batch
        return
    for begin, end in cut(sizes, PIECE_BYTES):
        yield replace(
            batch,
            first_row=batch.first_row + begin,
            is_last=batch.is_last and end == batch.rows.num_rows,
            rows=batch.rows.slice(begin, end - begin),
            outcomes=batch.outcomes[begin:end],
            kept=batch.kept[begin:end],
            digests=batch.digests[DIGEST_BYTES * begin : DIGEST_BYTES * end],
            kept_digests=batch.kept_digests[DIGEST_BYTES * begin : DIGEST_BYTES * end],
            spooled=_between(batch.spooled, begin, end),
            duplicates=_between(batch.duplicates, begin, end),
        )


def _between(by_row: Mapping[int, int], begin: int, end: int) -> dict[int, int]:
    return {row - begin: value for row, value in by_row.items() if begin <= row < end}
