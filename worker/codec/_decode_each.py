"""Answers' JSON bodies -> Arrow columns, an object per item: slower, and it reads everything. Pure.

It has the last word on which answers are malformed: `decoder`, which is quicker, sends
here whatever it is not certain of.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any, TypeAlias, cast

import orjson
import pyarrow as pa

from worker.codec.decoded import Decoded
from worker.model import Answer, Failure
from worker.personalize.answer_shape import ITEM_TYPE, AnswerShape, flaw
from worker.personalize.error_codes import INVALID_ANSWER

# What a body may get wrong without being JSON at fault: a missing key, a string for a number.
_SHAPE_ERRORS = (KeyError, TypeError, AttributeError, ValueError, pa.ArrowException)

# Of answers: their recommendationIds, and their lists.
_Columns: TypeAlias = "tuple[pa.Array[Any], pa.ListArray[Any]]"


def decode_each(answers: Sequence[Answer], shape: AnswerShape) -> Decoded:
    """Decode many answers; one that is malformed becomes a Failure and harms no other."""
    sound: dict[int, Any] = {}
    failures: dict[int, Failure] = {}
    for position, answer in enumerate(answers):
        try:
            body = orjson.loads(answer.body)
        except ValueError as error:
            failures[position] = _malformed(answer, error)
            continue
        if reason := flaw(body, shape):
            failures[position] = _failure(answer, reason)
        else:
            sound[position] = body
    columns, reasons = _read([*sound.items()], shape)
    for position, cause in reasons.items():
        del sound[position]
        failures[position] = _malformed(answers[position], cause)
    ids, lists = map(pa.concat_arrays, zip(*(columns or [_columns([], shape)]), strict=True))
    return Decoded([*sound], ids, lists, failures)


def _read(
    bodies: list[tuple[int, Any]], shape: AnswerShape
) -> tuple[list[_Columns], dict[int, Exception]]:
    """Return the columns of what is an answer, in order, and why the rest is none, by position.

    What cannot be read is looked at by halves. So whatever keeps all of them from being read
    together (their number of bytes, say) ends where that does not hold for a half.
    """
    try:
        return [_columns([body for _, body in bodies], shape)], {}
    except _SHAPE_ERRORS as error:
        if len(bodies) == 1:
            return [], {bodies[0][0]: error}
    middle = len(bodies) // 2
    first, first_reasons = _read(bodies[:middle], shape)
    second, second_reasons = _read(bodies[middle:], shape)
    return first + second, first_reasons | second_reasons


def _malformed(answer: Answer, error: Exception) -> Failure:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return _failure(answer, f"the answer is not of the API's form: {reason[:200]}")


def _failure(answer: Answer, message: str) -> Failure:
    return Failure(INVALID_ANSWER, message, http_status=200, request_id=answer.request_id)


def _columns(bodies: list[dict[str, Any]], shape: AnswerShape) -> _Columns:
    ids = pa.array([body.get("recommendationId") for body in bodies], pa.string())
    lists = [body.get(shape.member) or [] for body in bodies]
    items = [*chain.from_iterable(lists)]
    fields = [_ids(items, shape.id_member), _scores(items)]
    if shape.type == ITEM_TYPE:
        fields += _item_fields(items)
    structs = pa.StructArray.from_arrays(fields, fields=list(shape.type))
    bounds = pa.array([0, *accumulate(map(len, lists))], pa.int32())
    return ids, pa.ListArray.from_arrays(bounds, structs)


def _ids(items: list[dict[str, Any]], member: str) -> pa.Array[Any]:
    ids = [item.get(member) for item in items]
    if None in ids:
        raise KeyError(f"no {member}")
    return pa.array(ids, pa.string())


def _scores(items: list[dict[str, Any]]) -> pa.Array[Any]:
    scores = [item.get("score") for item in items]
    types = {*map(type, scores)}
    if not types <= {float, int, type(None)}:  # Arrow would take a bool
        raise TypeError("score is not a number")
    if int in types:  # Arrow would not take one beyond 2^53
        scores = [None if score is None else float(score) for score in scores]
    return pa.array(scores, pa.float64())


def _item_fields(items: list[dict[str, Any]]) -> list[pa.Array[Any]]:
    reasons = [item.get("reason") for item in items]
    if str in {*map(type, reasons)}:
        raise TypeError("reason is a string, not a list")  # Arrow would take its letters
    return [
        pa.array([item.get("promotionName") for item in items], pa.string()),
        pa.array(reasons, ITEM_TYPE.field("reason").type),
        _maps([item.get("metadata") for item in items]),
    ]


def _maps(maps: list[dict[str, str | None] | None]) -> pa.Array[Any]:
    """Return a map column, without a tuple per pair as `pa.array` needs it."""
    sent = [pairs for pairs in maps if pairs is not None]
    keys = pa.array([*chain.from_iterable(pairs.keys() for pairs in sent)], pa.string())
    values = pa.array([*chain.from_iterable(pairs.values() for pairs in sent)], pa.string())
    starts = accumulate((len(pairs or ()) for pairs in maps), initial=0)
    bounds = [None if pairs is None else start for pairs, start in zip(maps, starts, strict=False)]
    offsets = pa.array([*bounds, len(keys)], pa.int32())
    return pa.MapArray.from_arrays(cast("Any", offsets), keys, values)
