"""Where each operation's answer keeps its list, and what the list becomes. Pure."""

from __future__ import annotations

from dataclasses import dataclass

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
