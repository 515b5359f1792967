"""The documented rules that botocore's model lacks, and requests that passed all of them.

Sources: the members' descriptions in the API reference (GetRecommendations,
GetPersonalizedRanking, GetActionRecommendations), which are also the documentation strings of
botocore's personalize-runtime model, 2018-05-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from worker.emulator.errors import invalid_input

RESULTS_DEFAULT: Final = 25
RESULTS_MAX: Final = 500
"""Longest list that a request can ask for (API reference, GetRecommendations, numResults)."""
INPUT_LIST_MAX: Final = 500
METADATA_ITEMS_MAX: Final = 50
"""Most results, or most items to rank, in a request that asks for metadata."""
METADATA_COLUMNS_MAX: Final = 10
METADATA_KEY: Final = "ITEMS"
ACTIONS_DEFAULT: Final = 5
ACTIONS_MAX: Final = 100
_NOT_OF_CHANCE: Final = frozenset({"itemId", "metadataColumns"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What all three operations have in common.

    `arn_member` is campaignArn or recommenderArn, whichever brought `arn`. IDs are None when
    absent.
    """

    arn: str
    arn_member: str
    user_id: str | None
    item_id: str | None = None
    filter_arn: str | None
    filter_values: Mapping[str, str]
    context: Mapping[str, str]
    metadata_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPromotion:
    """A promotion; `percent` of the results are to be promoted, 1..100."""

    name: str
    percent: int
    filter_arn: str
    filter_values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedItems(Asked):
    """GetRecommendations; `num_results` is 0..500, or 0..50 with metadata.

    `fingerprint` is the same for requests that ask the same, however they are written.
    """

    num_results: int
    fingerprint: bytes
    promotion: AskedPromotion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRanking(Asked):
    """GetPersonalizedRanking; `item_ids` has 1..500 members, or 1..50 with metadata."""

    item_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedActions(Asked):
    """GetActionRecommendations; `num_results` is 0..100."""

    num_results: int


def asked_items(members: Mapping[str, Any]) -> AskedItems:
    """Return a GetRecommendations request. Raises ServiceFault for the first rule it breaks."""
    given = [name for name in ("campaignArn", "recommenderArn") if name in members]
    if len(given) != 1:
        seen = "both" if given else "neither"
        raise invalid_input(f"give exactly one of campaignArn and recommenderArn, not {seen}")
    columns = _metadata_columns(members)
    maximum, why = (METADATA_ITEMS_MAX, " with metadata") if columns else (RESULTS_MAX, "")
    count = _num_results(members, RESULTS_DEFAULT, maximum, why)
    return AskedItems(
        arn=members[given[0]],
        arn_member=given[0],
        user_id=members.get("userId"),
        item_id=members.get("itemId"),
        filter_arn=members.get("filterArn"),
        filter_values=members.get("filterValues", {}),
        context=members.get("context", {}),
        metadata_columns=columns,
        num_results=count,
        fingerprint=_fingerprint(members, count),
        promotion=_promotion(members),
    )


def asked_ranking(members: Mapping[str, Any]) -> AskedRanking:
    """Return a GetPersonalizedRanking request. Raises ServiceFault for the first broken rule."""
    columns = _metadata_columns(members)
    maximum, why = (METADATA_ITEMS_MAX, " with metadata") if columns else (INPUT_LIST_MAX, "")
    items = members["inputList"]
    if not 1 <= len(items) <= maximum:
        raise invalid_input(f"inputList must have 1 to {maximum} items{why}; it has {len(items)}")
    return AskedRanking(
        arn=members["campaignArn"],
        arn_member="campaignArn",
        user_id=members["userId"],
        filter_arn=members.get("filterArn"),
        filter_values=members.get("filterValues", {}),
        context=members.get("context", {}),
        metadata_columns=columns,
        item_ids=tuple(items),
    )


def asked_actions(members: Mapping[str, Any]) -> AskedActions:
    """Return a GetActionRecommendations request. Raises ServiceFault for the first broken rule."""
    if "campaignArn" not in members:
        raise invalid_input("the request lacks campaignArn")
    return AskedActions(
        arn=members["campaignArn"],
        arn_member="campaignArn",
        user_id=members.get("userId"),
        filter_arn=members.get("filterArn"),
        filter_values=members.get("filterValues", {}),
        context=members.get("context", {}),
        num_results=_num_results(members, ACTIONS_DEFAULT, ACTIONS_MAX, ""),
    )


def _num_results(members: Mapping[str, Any], default: int, maximum: int, why: str) -> int:
    count: int = members.get("numResults", default)
    if count > maximum:
        raise invalid_input(f"numResults must be at most {maximum}{why}; it is {count}")
    return count


def _metadata_columns(members: Mapping[str, Any]) -> tuple[str, ...]:
    wanted: Mapping[str, list[str]] = members.get("metadataColumns", {})
    for key, columns in wanted.items():
        if key != METADATA_KEY:
            raise invalid_input(f"the key of metadataColumns must be {METADATA_KEY}, not {key!r}")
        if len(columns) > METADATA_COLUMNS_MAX:
            raise invalid_input(
                f"metadataColumns must name at most {METADATA_COLUMNS_MAX} columns; "
                f"it names {len(columns)}"
            )
    return tuple(wanted.get(METADATA_KEY, ()))


def _promotion(members: Mapping[str, Any]) -> AskedPromotion | None:
    """Return the only promotion that the model lets a request have."""
    for promotion in members.get("promotions", ()):
        if promotion.get("filterArn") is None:
            raise invalid_input("a promotion needs a filterArn, which says what it promotes")
        if promotion.get("percentPromotedItems") is None:
            raise invalid_input("a promotion needs percentPromotedItems, which says how much")
        if promotion.get("name") is None:
            raise invalid_input("a promotion needs a name, which the promoted items carry")
        return AskedPromotion(
            name=promotion["name"],
            percent=promotion["percentPromotedItems"],
            filter_arn=promotion["filterArn"],
            filter_values=promotion.get("filterValues") or {},
        )
    return None


def _fingerprint(members: Mapping[str, Any], num_results: int) -> bytes:
    """Return what chance goes by: not the metadata, nor an item that most recipes ignore.

    What is empty asks for no more than what is absent. Of a promotion, only what the model knows:
    what else it has may be nested too deep to write.
    """
    told = {**members, "numResults": num_results, "promotions": _promotion(members)}
    if "filterArn" not in members:
        told.pop("filterValues", None)
    known = {name: value for name, value in told.items() if value and name not in _NOT_OF_CHANCE}
    return orjson.dumps(known, option=orjson.OPT_SORT_KEYS)
