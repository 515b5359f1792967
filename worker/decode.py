"""Answers' JSON bodies -> Arrow columns, a batch at a time. Pure.

A batch is parsed whole, by Arrow, so that no item becomes a Python object. What does not fit that
road (a malformed answer, metadata) goes through `worker.each`, which decides alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from worker.each import Decoded, decode_each
from worker.model import Answer
from worker.shape import AnswerShape

# Members of an item that most answers lack. Of metadata, just whether it is there: its keys are not
# known, so `decode_each` reads it.
_OPTIONAL: dict[str, pa.DataType] = {
    "promotionName": pa.string(),
    "reason": pa.list_(pa.string()),
    "metadata": pa.struct([]),
}

# The member that numbers the bodies, in rows of its own between them, on lines of their own.
_MARK = "#"
_LINES_PER_MARK = 2  # their ends: before it and behind it

# orjson, which has the last word, gives up at 1,024 levels. So many brackets cannot be as deep.
_BRACKETS_MAX = 1000

# Of long batches Arrow parses several pieces at a time, in threads of its own.
_LONG_BYTES = 2 << 20
_PIECE_BYTES = 1 << 20
_BYTES_MAX = 1 << 31  # of what its columns can hold in one piece

# What RapidJSON takes and JSON does not have, and numbers beyond a double's range.
_NOT_JSON = r"[:,\[][ \t\r\n]*-?(NaN|Inf)|[0-9]{300}"


class Decoder:
    """Decodes the batches of one part, and learns from each what the next will hold.

    Most answers hold no more than IDs and scores, and parsing for these alone is quickest; so
    other members are parsed for once they have been seen. Those that are not known are ignored.
    """

    def __init__(self, shape: AnswerShape) -> None:
        self._shape = shape
        self._expected = frozenset[str]()  # the optional members seen so far
        self._has_unknown = False  # an answer had a member that is not the API's
        self._one_by_one = False  # what the answers hold is best left to `decode_each`

    @property
    def is_quick(self) -> bool:
        """Whether it decodes many answers in the time that others take for a few."""
        return not self._one_by_one

    def decode(self, answers: Sequence[Answer]) -> Decoded:
        """Decode many answers at once; one that is malformed becomes a Failure, alone.

        A score that was not sent is null. A missing list is an empty one, as the API's model
        has it (no member is required).
        """
        bodies = [answer.body for answer in answers]
        return self._decode_whole(bodies) or decode_each(answers, self._shape)

    def _decode_whole(self, bodies: list[bytes]) -> Decoded | None:
        """Return None when an answer is malformed, or has what only `decode_each` can read."""
        if self._one_by_one or not all(body.startswith(b"{") for body in bodies):
            return None  # (Arrow would take `null` for an object)
        batch = _join(bodies)
        if not self._has_unknown:
            rows = _parse(batch, bodies, self._shape, self._expected, strict=True)
            if rows is not None:
                return _decoded(rows, self._shape)
        optional = frozenset(_OPTIONAL).intersection(self._shape.members)
        rows = _parse(batch, bodies, self._shape, optional, strict=False)
        if rows is None:
            return None
        items = _items(rows, self._shape)
        found = {name for name in optional if items.field(name).null_count < len(items)}
        # Whatever stopped the strict parser, if it was none of these, will come again.
        self._has_unknown = self._has_unknown or found <= self._expected
        self._expected |= found
        lengths = _lists(rows, self._shape).value_lengths().to_pylist()[1::2]
        self._one_by_one = "metadata" in found or not _skipped_is_sound(batch, bodies, lengths)
        return None if self._one_by_one else _decoded(rows, self._shape)


def _join(bodies: list[bytes]) -> bytes:
    """Put all bodies, each of which begins an object, between marks that no body can swallow.

    `}` and `{` with nothing but white space between come up between whole objects only, in no array
    and no other object. A mark ends in `}` and a body follows, so all marks are objects by
    themselves, and what lies between two of them is as many others as it is rows. (A string that a
    body leaves open is an error where the mark's line begins.) So 2n + 1 rows for n bodies are one
    for each, or the text is unsound. The same holds where the batch is cut at the end of a line:
    what is cut inside an object is an error, and the pieces come back in order.
    """
    pieces = [b""] * (2 * len(bodies) + 1)
    pieces[0::2] = [b'\n{"#":%d}\n' % position for position in range(len(bodies) + 1)]
    pieces[1::2] = bodies
    return b"".join(pieces)


def _piece_bytes(batch: bytes, bodies: list[bytes]) -> int:
    """Return how long the pieces are into which the parser cuts a batch, at the end of a line.

    It must not be cut where bodies span lines, nor shorter than what is longest.
    """
    has_lines = (
        _LONG_BYTES < len(batch) < _BYTES_MAX
        and batch.count(b"\n") == _LINES_PER_MARK * (len(bodies) + 1)
        and b"\r" not in batch
    )
    return max(_PIECE_BYTES, 2 * max(map(len, bodies), default=0)) if has_lines else len(batch) + 1


def _parse(
    batch: bytes,
    bodies: list[bytes],
    shape: AnswerShape,
    optional: frozenset[str],
    *,
    strict: bool,
) -> pa.RecordBatch | None:
    """Return the bodies' rows with the marks' between them, or None for lack of soundness.

    `strict` stops at a member that is not asked for; otherwise these are skipped.
    """
    items: list[tuple[str, pa.DataType]] = [(shape.id_member, pa.string()), ("score", pa.float64())]
    items += [(name, type_) for name, type_ in _OPTIONAL.items() if name in optional]
    members: list[tuple[str, pa.DataType]] = [
        (_MARK, pa.int32()),
        ("recommendationId", pa.string()),
        (shape.member, pa.list_(pa.struct(items))),
    ]
    marks: list[int | None] = [None] * (2 * len(bodies) + 1)
    marks[0::2] = range(len(bodies) + 1)
    piece_bytes = _piece_bytes(batch, bodies)
    try:
        if not batch.isascii():  # the parser does not look whether it is UTF-8
            _as_text(batch).validate(full=True)
        table = arrow_json.read_json(
            pa.BufferReader(batch),  # type: ignore[arg-type] # the stubs forget Arrow's own files
            read_options=arrow_json.ReadOptions(
                use_threads=piece_bytes < len(batch), block_size=piece_bytes
            ),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=pa.schema(members),
                unexpected_field_behavior="error" if strict else "ignore",
            ),
        )
        (rows,) = table.combine_chunks().to_batches()
    except (pa.ArrowException, OverflowError):  # the latter: beyond 2 GiB
        return None
    is_one_each = rows.column(_MARK).equals(pa.array(marks, pa.int32()))
    return rows if is_one_each and _items_are_sound(_items(rows, shape), shape) else None


def _as_text(batch: bytes) -> Any:
    bounds = pa.py_buffer(len(batch).to_bytes(8, "little").rjust(16, b"\0"))
    return pa.LargeStringArray.from_buffers(1, bounds, pa.py_buffer(batch))


def _skipped_is_sound(batch: bytes, bodies: list[bytes], lengths: list[int | None]) -> bool:
    """Whether members that were skipped are such as orjson takes, too."""
    if pc.match_substring_regex(_as_text(batch), _NOT_JSON)[0].as_py():
        return False
    return all(
        body.count(b"[") + body.count(b"{") <= _BRACKETS_MAX + (length or 0)  # one is the item's
        for body, length in zip(bodies, lengths, strict=True)
    )


def _items_are_sound(items: pa.StructArray, shape: AnswerShape) -> bool:
    """Whether each item has an ID, and each score is a number: NaN and infinities are none."""
    if items.field(shape.id_member).null_count:
        return False
    return pc.all(pc.is_finite(items.field("score")), min_count=0).as_py() is True


def _lists(rows: pa.RecordBatch, shape: AnswerShape) -> pa.ListArray[Any]:
    return cast("pa.ListArray[Any]", rows.column(shape.member))


def _items(rows: pa.RecordBatch, shape: AnswerShape) -> pa.StructArray:
    return cast("pa.StructArray", _lists(rows, shape).values)


def _decoded(rows: pa.RecordBatch, shape: AnswerShape) -> Decoded:
    """Take the bodies' rows, which are every second, and give the columns their names."""
    bounds = pa.array(range(1, rows.num_rows + 1, 2), pa.int32())
    items = _items(rows, shape)
    parsed = {field.name: field.type for field in items.type}
    fields = [
        items.field(name) if parsed.get(name) == field.type else pa.nulls(len(items), field.type)
        for name, field in zip(shape.members, shape.type, strict=True)
    ]
    structs = pa.StructArray.from_arrays(fields, fields=list(shape.type))
    return Decoded(
        positions=list(range(len(bounds) - 1)),
        recommendation_ids=rows.column("recommendationId").take(bounds[:-1]),
        lists=pa.ListArray.from_arrays(_lists(rows, shape).offsets.take(bounds), structs),
        failures={},
    )
