"""Batches are decoded as much at a time as there is room for."""

from __future__ import annotations

from operator import attrgetter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from worker.model import DIGEST_BYTES, Answer, Batch, Chunk, Outcome
from worker.output.pieces import held_sizes, pieces
from worker.runtime.memory_budget import PIECE_BYTES


def batch(sizes: list[int], duplicates: dict[int, int]) -> Batch:
    """Return rows whose answers have these sizes; every second is kept, but for what row 3 asks."""
    rows = pa.RecordBatch.from_pydict({"ID": [str(row) for row in range(len(sizes))]})
    outcomes: list[Outcome | None] = [
        Outcome(Answer(bytes(size), None), 1, 0, row, 1.0) for row, size in enumerate(sizes)
    ]
    kept = bytearray(row % 2 for row in range(len(sizes)))
    digests = [row.to_bytes(DIGEST_BYTES, "big") for row in range(len(sizes))]
    before = [bytes(DIGEST_BYTES) if row == 3 else digest for row, digest in enumerate(digests)]
    return Batch(
        Chunk(0, ()), 7, 100, True, rows, outcomes, 0, 0, kept,
        digests=bytearray().join(digests), kept_digests=bytearray().join(before),
        spooled={row: size for row, size in enumerate(sizes) if row % 3 == 0},
        duplicates=duplicates,
    )  # fmt: skip


SIZE = st.sampled_from([0, 1, PIECE_BYTES // 3, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1])


@given(st.lists(SIZE, max_size=7), st.dictionaries(st.integers(0, 6), st.integers(0, 99)))
def test_pieces_are_the_batch_in_order_and_bounded(
    sizes: list[int], duplicates: dict[int, int]
) -> None:
    duplicates = {row: first for row, first in duplicates.items() if row < len(sizes)}
    whole = batch(sizes, duplicates)
    cut = [*pieces(whole, held_sizes(whole))]
    rows = [name for piece in cut for name in piece.rows["ID"].to_pylist()]
    assert rows == whole.rows["ID"].to_pylist()
    assert [each for piece in cut for each in piece.outcomes] == whole.outcomes
    assert b"".join(piece.kept for piece in cut) == whole.kept
    places = [(piece, row) for piece in cut for row in range(piece.rows.num_rows)]
    assert [piece.first_row + row for piece, row in places] == [*range(100, 100 + len(sizes))]
    assert [piece.digest(row) for piece, row in places] == [*map(whole.digest, range(len(sizes)))]
    assert [row for row, place in enumerate(places) if Batch.is_kept(*place)] == [
        row for row in (1, 5) if row < len(sizes)
    ]
    for by_row in (attrgetter("duplicates"), attrgetter("spooled")):
        found = [by_row(piece).get(row) for piece, row in places]
        assert found == [by_row(whole).get(row) for row in range(len(sizes))]
        assert sum(len(by_row(piece)) for piece in cut) == len(by_row(whole))
    assert [piece.is_last for piece in cut] == [False] * (len(cut) - 1) + [True]
    for piece in cut:
        held = sum(held_sizes(piece))
        assert held <= PIECE_BYTES or piece.rows.num_rows == 1


def test_a_batch_of_the_usual_size_is_not_taken_apart() -> None:
    whole = batch([1000] * 1024, {})
    (piece,) = pieces(whole, held_sizes(whole))
    assert piece is whole
