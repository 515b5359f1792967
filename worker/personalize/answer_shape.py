"""Where each operation's answer keeps its list, what the list becomes, and what is none. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from worker.personalize.operations import Operation

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


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """Where an operation's answer keeps its list, and what the list becomes."""

    member: str  # of the answer
    column: str  # of the output
    type: pa.StructType
    members: tuple[str, ...]  # of an entry: those of `type`, as the API names them; the ID first
    list_begins: re.Pattern[bytes] = field(init=False)  # finds where a body seems to begin its list

    def __post_init__(self) -> None:
        """Work out what every answer is looked at with."""
        begins = re.compile(rb'"%s"[ \t\r\n]*:[ \t\r\n]*\[' % self.member.encode())
        object.__setattr__(self, "list_begins", begins)

    @property
    def id_member(self) -> str:
        """The one member that an entry must have."""
        return self.members[0]


_ITEM_MEMBERS = ("itemId", "score", "promotionName", "reason", "metadata")
SHAPES = {
    Operation.GET_RECOMMENDATIONS: AnswerShape("itemList", "items", ITEM_TYPE, _ITEM_MEMBERS),
    Operation.GET_PERSONALIZED_RANKING: AnswerShape(
        "personalizedRanking", "items", ITEM_TYPE, _ITEM_MEMBERS
    ),
    Operation.GET_ACTION_RECOMMENDATIONS: AnswerShape(
        "actionList", "actions", ACTION_TYPE, ("actionId", "score")
    ),
}

_LISTS = frozenset(shape.member for shape in SHAPES.values())
# In small letters, of AWS's errors and of others'.
_OF_ERRORS = frozenset(
    {"__type", "code", "error", "errorcode", "errormessage", "errors", "errortype", "fault"}
    | {"exception", "message"}
)


def flaw(body: Any, shape: AnswerShape) -> str | None:
    """Return why a parsed HTTP 200 is no answer of the operation, or None if it is one.

    No member is required, as the API's model has it. But what has none of them, or an error's, is
    not from Personalize: it has the operation's list, or a recommendationId and no list of another
    operation, nor an error.
    """
    if not isinstance(body, dict):
        return "the answer is not a JSON object"
    if (entries := body.get(shape.member)) is not None:
        return None if isinstance(entries, list) else f"the answer's {shape.member} is not a list"
    if not body.get("recommendationId"):
        return f"the answer has neither {shape.member} nor a recommendationId"
    members = {name for name, value in body.items() if value is not None}
    if found := members & _LISTS:
        return f"the answer has {min(found)} instead of {shape.member}"
    if any(name.lower() in _OF_ERRORS for name in members):
        return "the answer is an error"
    return None
