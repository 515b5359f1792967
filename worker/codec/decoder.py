"""Answers' JSON bodies -> Arrow columns, a batch at a time. Pure.

A batch is parsed whole, by Arrow, so that no item becomes a Python object: by `_decode_fast` where
all answers have the usual form, else as JSON. What does not fit either road (a malformed answer,
metadata) goes through `_decode_each`. All three decide alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from worker.codec._decode_each import decode_each
from worker.codec._decode_fast import UsualForm, as_text
from worker.codec.decoded import Decoded
from worker.model import Answer
from worker.personalize.answer_shape import AnswerShape

# Members of an item that most answers lack. Of metadata, just whether it is there: its keys are not
# known, so `decode_each` reads it.
_OPTIONAL: dict[str, pa.DataType] = {
    "promotionName": pa.string(),
    "reason": pa.list_(pa.string()),
    "metadata": pa.struct([]),
}

# The member that numbers the bodies, in rows of its own between them.
_MARK = "#"

# Larger pieces are no quicker, smaller ones slower. Measured: scripts/bench.
_PIECE_BYTES = 2 << 20
_USUAL_BYTES_MAX = 1 << 30  # Arrow's offsets reach 2 GiB

# orjson, which has the last word, gives up at 1,024 levels. So many brackets cannot be as deep.
_BRACKETS_MAX = 1000
# What RapidJSON takes and JSON does not have, and numbers beyond a double's range.
_NOT_JSON = r"[:,\[][ \t\r\n]*-?(NaN|Inf)|[0-9]{300}"


class Decoder:
    """Decodes the batches of one part, and learns from each what the next will hold.

    Most answers hold no more than IDs and scores, and parsing for these alone is quickest; so
    other members are parsed for once they have been seen. Those that are not known are ignored.
    """

    def __init__(self, shape: AnswerShape) -> None:
        self._shape = shape
        self._usual_form = UsualForm(shape)
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
        has it (no member is required), unless nothing says that it is an answer: see `flaw`.
        """
        bodies = [answer.body for answer in answers]
        return (
            self._decode_usual(bodies)
            or self._decode_whole(bodies)
            or decode_each(answers, self._shape)
        )

    def _decode_usual(self, bodies: list[bytes]) -> Decoded | None:
        """Return None when an answer has another form, or a score beyond a double's range.

        In pieces: what is made on the way there takes four times their bytes.
        """
        if (total := sum(map(len, bodies))) > _USUAL_BYTES_MAX:
            return None
        step = max(1, _PIECE_BYTES * len(bodies) // max(1, total))
        columns = []
        for first in range(0, max(1, len(bodies)), step):
            entries = self._usual_form.read(bodies[first : first + step])
            if entries is None or not _are_finite(entries.scores):
                return None
            members = {self._shape.id_member: entries.ids, "score": entries.scores}
            lists = pa.ListArray.from_arrays(entries.offsets, _structs(members, self._shape))
            columns.append((entries.recommendation_ids, lists))
        recommendation_ids, lists = map(pa.concat_arrays, zip(*columns, strict=True))
        return Decoded(list(range(len(bodies))), recommendation_ids, lists, failures={})

    def _decode_whole(self, bodies: list[bytes]) -> Decoded | None:
        """Return None when an answer is malformed, or has what only `decode_each` can read."""
        if self._one_by_one or not all(body.startswith(b"{") for body in bodies):
            return None  # (Arrow would take `null` for an object)
        batch = _join(bodies)
        if not self._has_unknown:
            rows = _parse(batch, len(bodies), self._shape, self._expected, strict=True)
            if rows is not None:
                return _decoded(rows, self._shape) if _have_either(rows, self._shape) else None
        optional = frozenset(_OPTIONAL).intersection(self._shape.members)
        rows = _parse(batch, len(bodies), self._shape, optional, strict=False)
        # What has no list may have members of another meaning; here they are skipped.
        if rows is None or _lists(rows, self._shape)[1::2].null_count:
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

    `}{` comes up between whole objects only, in no array and no other object. A mark ends in `}`
    and a body follows, so all marks are objects by themselves, and what lies between two of them
    is as many others as it is rows. (A string that a body leaves open, the mark's quote ends; and
    `#` cannot follow.) So 2n + 1 rows for n bodies are one for each, or the text is unsound.
    """
    pieces = [b""] * (2 * len(bodies) + 1)
    pieces[0::2] = [b'{"#":%d}' % position for position in range(len(bodies) + 1)]
    pieces[1::2] = bodies
    return b"".join(pieces)


def _parse(
    batch: bytes, length: int, shape: AnswerShape, optional: frozenset[str], *, strict: bool
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
    marks: list[int | None] = [None] * (2 * length + 1)
    marks[0::2] = range(length + 1)
    try:
        if not batch.isascii():  # the parser does not look whether it is UTF-8
            as_text(batch).validate(full=True)
        table = arrow_json.read_json(
            pa.BufferReader(batch),  # type: ignore[arg-type] # the stubs forget Arrow's own files
            # A single block, so that objects may span lines.
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(batch) + 1),
            parse_options=arrow_json.ParseOptions(
                explicit_schema=pa.schema(members),
                unexpected_field_behavior="error" if strict else "ignore",
            ),
        )
        (rows,) = table.to_batches()
    except (pa.ArrowException, OverflowError):  # the latter: beyond 2 GiB
        return None
    is_one_each = rows.column(_MARK).equals(pa.array(marks, pa.int32()))
    return rows if is_one_each and _items_are_sound(_items(rows, shape), shape) else None


def _skipped_is_sound(batch: bytes, bodies: list[bytes], lengths: list[int | None]) -> bool:
    """Whether members that were skipped are such as orjson takes, too."""
    if pc.match_substring_regex(as_text(batch), _NOT_JSON)[0].as_py():
        return False
    return all(
        body.count(b"[") + body.count(b"{") <= _BRACKETS_MAX + (length or 0)  # one is the item's
        for body, length in zip(bodies, lengths, strict=True)
    )


def _items_are_sound(items: pa.StructArray, shape: AnswerShape) -> bool:
    """Whether each item has an ID, and each score is a number: NaN and infinities are none."""
    if items.field(shape.id_member).null_count:
        return False
    return _are_finite(items.field("score"))


def _are_finite(scores: pa.Array[Any]) -> bool:
    return pc.all(pc.is_finite(scores), min_count=0).as_py() is True


def _have_either(rows: pa.RecordBatch, shape: AnswerShape) -> bool:
    """Whether each answer has a list or a recommendationId; there are no other members."""
    lists, names = _lists(rows, shape)[1::2], rows.column("recommendationId")[1::2]
    if not lists.null_count:
        return True
    return all(names.filter(pc.is_null(lists)).to_pylist())


def _lists(rows: pa.RecordBatch, shape: AnswerShape) -> pa.ListArray[Any]:
    return cast("pa.ListArray[Any]", rows.column(shape.member))


def _items(rows: pa.RecordBatch, shape: AnswerShape) -> pa.StructArray:
    return cast("pa.StructArray", _lists(rows, shape).values)


def _decoded(rows: pa.RecordBatch, shape: AnswerShape) -> Decoded:
    """Take the bodies' rows, which are every second, and give the columns their names."""
    bounds = pa.array(range(1, rows.num_rows + 1, 2), pa.int32())
    items = _items(rows, shape)
    members = {field.name: items.field(field.name) for field in items.type}
    return Decoded(
        positions=list(range(len(bounds) - 1)),
        recommendation_ids=rows.column("recommendationId").take(bounds[:-1]),
        lists=pa.ListArray.from_arrays(
            _lists(rows, shape).offsets.take(bounds), _structs(members, shape)
        ),
        failures={},
    )


def _structs(members: dict[str, pa.Array[Any]], shape: AnswerShape) -> pa.StructArray:
    """Give the members of entries the columns' names and types; those that lack are null."""
    length = len(members[shape.id_member])
    fields = [
        members[name]
        if name in members and members[name].type == field.type
        else pa.nulls(length, field.type)
        for name, field in zip(shape.members, shape.type, strict=True)
    ]
    return pa.StructArray.from_arrays(fields, fields=list(shape.type))
