"""Batches are decoded as much at a time as there is room for."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from worker.model import Answer, Batch, Chunk, Outcome
from worker.output.pieces import PIECE_BYTES, held_sizes, pieces


def batch(sizes: list[int], duplicates: dict[int, int]) -> Batch:
    rows = pa.RecordBatch.from_pydict({"ID": [str(row) for row in range(len(sizes))]})
    outcomes: list[Outcome | None] = [
        Outcome(Answer(bytes(size), None), 1, 0, row, 1.0) for row, size in enumerate(sizes)
    ]
    kept = bytearray(row % 2 for row in range(len(sizes)))
    return Batch(Chunk(0, ()), 7, 100, True, rows, outcomes, 0, 0, kept, duplicates=duplicates)


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
    assert {
        piece.first_row + row: first for piece in cut for row, first in piece.duplicates.items()
    } == {100 + row: first for row, first in duplicates.items()}
    assert [piece.last for piece in cut] == [False] * (len(cut) - 1) + [True]
    assert cut[0].first_row == 100
    for piece in cut:
        held = sum(held_sizes(piece))
        assert held <= PIECE_BYTES or piece.rows.num_rows == 1


def test_a_batch_of_the_usual_size_is_not_taken_apart() -> None:
    whole = batch([1000] * 1024, {})
    (piece,) = pieces(whole, held_sizes(whole))
    assert piece is whole
