"""Answers as the service writes them, with IDs and scores and no more -> Arrow columns. Pure.

One regular expression says whether all answers of a batch are in that form, to the last byte, with
strings that neither escape anything nor have a character that means something here. Then they can
be cut: `}` ends an entry, `:` a field. That takes two thirds of the time of Arrow's JSON reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from worker.personalize.answer_shape import AnswerShape

# RFC 8259's, without what is escaped, and without what is cut at.
_STRING = r'"[^"\\:\]}\x00-\x1f]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_RECOMMENDATION_ID = b'],"recommendationId":"'
_BEFORE_ID, _BEHIND_ID = '"', '","score"'


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of all answers together, and which are whose."""

    ids: pa.Array[Any]  # string
    scores: pa.Array[Any]  # double; infinite where a number is beyond its range
    offsets: pa.Int32Array  # where each answer's entries begin, and where the last's end
    recommendation_ids: pa.Array[Any]  # string, by answer


class UsualForm:
    """The form in which an operation's answers come."""

    def __init__(self, shape: AnswerShape) -> None:
        entry = rf'\{{"{shape.id_member}":{_STRING},"score":{_NUMBER}\}}'
        answer = (
            rf'\{{"{shape.member}":\[(?:{entry}(?:,{entry})*)?\],"recommendationId":{_STRING}\}}'
        )
        self._lines = rf"^(?:{answer}\n)*$"
        self._list_at = len(f'{{"{shape.member}":[')

    def read(self, bodies: Sequence[bytes]) -> Entries | None:
        """Return what the answers, 1 GiB at most, hold; None when one is in another form."""
        if not self._fits(b"\n".join((*bodies, b""))):
            return None
        ends = [body.find(b"]") for body in bodies]
        if any(end != body.rfind(b"]") for body, end in zip(bodies, ends, strict=True)):
            return None  # several answers in one body
        lengths = [body.count(b"}") - 1 for body in bodies]  # the last one is the answer's
        lists = [
            memoryview(body)[self._list_at : end] for body, end in zip(bodies, ends, strict=True)
        ]
        ids, scores = _read_entries(b"".join(lists).replace(b"}", b"\n"))
        recommendation_ids = [
            body[end + len(_RECOMMENDATION_ID) : -len(b'"}')].decode()
            for body, end in zip(bodies, ends, strict=True)
        ]
        return Entries(
            ids,
            scores,
            pa.array(accumulate(lengths, initial=0), pa.int32()),
            pa.array(recommendation_ids, pa.string()),
        )

    def _fits(self, lines: bytes) -> bool:
        text = as_text(lines)
        try:
            if not lines.isascii():
                text.validate(full=True)
        except pa.ArrowInvalid:
            return False
        return pc.match_substring_regex(text, self._lines)[0].as_py() is True


def as_text(batch: bytes) -> Any:
    """Return an array of one string, `batch`, which is not copied, nor looked at."""
    bounds = pa.py_buffer(len(batch).to_bytes(8, "little").rjust(16, b"\0"))
    return pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(batch))


def _read_entries(lines: bytes) -> tuple[pa.Array[Any], pa.Array[Any]]:
    """Return the IDs and the scores of entries, each of them a line."""
    if not lines:  # which the reader does not take
        return pa.array([], pa.string()), pa.array([], pa.float64())
    table = csv.read_csv(
        pa.BufferReader(lines),  # type: ignore[arg-type] # the stubs forget it
        csv.ReadOptions(
            use_threads=False, block_size=len(lines) + 1, column_names=["before", "id", "score"]
        ),
        csv.ParseOptions(delimiter=":", quote_char=False),
        csv.ConvertOptions(
            column_types={"id": pa.binary(), "score": pa.float64()},
            include_columns=["id", "score"],
        ),
    )
    ids, scores = (column.combine_chunks() for column in table.columns)
    return pc.binary_slice(ids, len(_BEFORE_ID), -len(_BEHIND_ID)).cast(pa.string()), scores
