"""Answers' JSON bodies -> Arrow columns, a batch at a time. Pure; runs in a worker thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from worker.config import Operation
from worker.model import Answer, Failure

INVALID_ANSWER = "InvalidAnswer"

ITEM_TYPE = pa.struct(
    [
        ("item_id", pa.string()),
        ("score", pa.float64()),
        ("promotion_name", pa.string()),
        ("reason", pa.list_(pa.string())),
        ("metadata", pa.map_(pa.string(), pa.string())),
    ]
)
ACTION_TYPE = pa.struct([("action_id", pa.string()), ("score", pa.float64())])

# What a body may get wrong without being JSON at fault: a missing key, a string for a number.
_SHAPE_ERRORS = (KeyError, TypeError, AttributeError, ValueError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """Where an operation's answer keeps its list, and what the list becomes."""

    member: str  # of the answer
    column: str  # of the output
    type: pa.StructType

    @property
    def is_actions(self) -> bool:
        """Actions have fewer members than items."""
        return self.column == "actions"


SHAPES = {
    Operation.GET_RECOMMENDATIONS: AnswerShape("itemList", "items", ITEM_TYPE),
    Operation.GET_PERSONALIZED_RANKING: AnswerShape("personalizedRanking", "items", ITEM_TYPE),
    Operation.GET_ACTION_RECOMMENDATIONS: AnswerShape("actionList", "actions", ACTION_TYPE),
}


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answers that could be read, in order, as columns; the others as failures by position."""

    positions: list[int]  # of the answers below, among those given
    recommendation_ids: pa.Array[Any]  # string, null where the service sent none
    lists: pa.ListArray[Any]  # list<struct>, best first as the service sent it
    failures: dict[int, Failure]


def decode(answers: Sequence[Answer], shape: AnswerShape) -> Decoded:
    """Decode many answers at once; one that is malformed becomes a Failure and harms no other.

    Members that are not known are ignored. A score that was not sent is null. A missing list is
    an empty one, as the API's model has it (no member is required).
    """
    try:
        ids, lists = _columns([orjson.loads(answer.body) for answer in answers], shape)
    except _SHAPE_ERRORS:
        return _decode_one_by_one(answers, shape)
    return Decoded(list(range(len(answers))), ids, lists, failures={})


def _decode_one_by_one(answers: Sequence[Answer], shape: AnswerShape) -> Decoded:
    sound: list[int] = []
    failures: dict[int, Failure] = {}
    for position, answer in enumerate(answers):
        try:
            _columns([orjson.loads(answer.body)], shape)
        except _SHAPE_ERRORS as error:
            failures[position] = Failure(
                code=INVALID_ANSWER,
                message=f"the answer is not of the API's form: {str(error).splitlines()[0][:200]}",
                http_status=200,
                request_id=answer.request_id,
            )
        else:
            sound.append(position)
    ids, lists = _columns([orjson.loads(answers[position].body) for position in sound], shape)
    return Decoded(sound, ids, lists, failures)


def _columns(
    bodies: list[dict[str, Any]], shape: AnswerShape
) -> tuple[pa.Array[Any], pa.ListArray[Any]]:
    ids = pa.array([body.get("recommendationId") for body in bodies], pa.string())
    offsets, entries = [0], list[dict[str, Any]]()
    for body in bodies:
        entries.extend(body.get(shape.member) or ())
        offsets.append(len(entries))
    fields = _action_fields(entries) if shape.is_actions else _item_fields(entries)
    structs = pa.StructArray.from_arrays(fields, fields=list(shape.type))
    return ids, pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def _item_fields(items: list[dict[str, Any]]) -> list[pa.Array[Any]]:
    reasons = [item.get("reason") for item in items]
    if any(isinstance(reason, str) for reason in reasons):
        raise TypeError("reason is a string, not a list")  # Arrow would take its letters
    # A map column takes pairs, so a dict per item is turned into them; most answers have none.
    metadata = [
        None if (pairs := item.get("metadata")) is None else list(pairs.items()) for item in items
    ]
    return [
        pa.array([item["itemId"] for item in items], pa.string()),
        pa.array([item.get("score") for item in items], pa.float64()),
        pa.array([item.get("promotionName") for item in items], pa.string()),
        pa.array(reasons, ITEM_TYPE.field("reason").type),
        pa.array(metadata, ITEM_TYPE.field("metadata").type),
    ]


def _action_fields(actions: list[dict[str, Any]]) -> list[pa.Array[Any]]:
    return [
        pa.array([action["actionId"] for action in actions], pa.string()),
        pa.array([action.get("score") for action in actions], pa.float64()),
    ]
