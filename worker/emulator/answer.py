"""The three runtime operations: a request's JSON in, an answer's JSON out."""

from __future__ import annotations

from typing import Any, Final
from uuid import uuid4

import orjson
import pyarrow as pa

from worker.emulator.actions import Propensities
from worker.emulator.contract import Contract
from worker.emulator.data import Data
from worker.emulator.errors import invalid_input, not_found
from worker.emulator.recipes import Kind
from worker.emulator.recommend import Ranked, Recommender
from worker.emulator.resources import Resource, Resources
from worker.emulator.rules import Asked, AskedItems, asked_actions, asked_items, asked_ranking
from worker.emulator.settings import EmulatorSettings
from worker.emulator.train import train

_ITEM_KINDS: Final = frozenset({Kind.USER, Kind.ITEM, Kind.POPULAR})
_EXPONENT_BELOW: Final = 1e-4  # some way above where a JSON writer changes to 1e-5


class Answers:
    """Answers to requests, from the data and the settings alone: no request changes the next.

    Each method takes a request body and returns the answer's body, or raises ServiceFault.
    """

    def __init__(self, settings: EmulatorSettings, data: Data, resources: Resources) -> None:
        self._contract = Contract(
            "personalize-runtime",
            ("GetRecommendations", "GetPersonalizedRanking", "GetActionRecommendations"),
        )
        self._resources = resources
        self._recommender = Recommender(train(data))
        self._propensities = Propensities(data.action_ids, seed=settings.seed)
        self._user_codes = {each: code for code, each in enumerate(data.user_ids)}
        self._item_codes = {each: code for code, each in enumerate(data.item_ids)}
        self._item_ids = data.item_ids
        self._item_columns = data.item_columns

    def get_recommendations(self, body: bytes) -> bytes:
        """Answer GetRecommendations: a user's, an item's or everybody's list."""
        asked = asked_items(self._contract.request("GetRecommendations", body))
        resource = self._resource(asked, _ITEM_KINDS, "GetRecommendations")
        columns = self._columns(asked, resource)
        ranked = self._recommend(asked, resource)
        scores = ranked.scores if resource.recipe.scored else None
        return _body("itemList", self._items(ranked.codes, scores, columns))

    def get_personalized_ranking(self, body: bytes) -> bytes:
        """Answer GetPersonalizedRanking: known items by score, then unknown ones without."""
        asked = asked_ranking(self._contract.request("GetPersonalizedRanking", body))
        resource = self._resource(asked, {Kind.RANKING}, "GetPersonalizedRanking")
        columns = self._columns(asked, resource)
        once = dict.fromkeys(asked.item_ids)
        known = [self._item_codes[item] for item in once if item in self._item_codes]
        ranked = self._recommender.ranking(self._user(asked), known)
        items = self._items(ranked.codes, ranked.scores, columns)
        items += [{"itemId": item} for item in once if item not in self._item_codes]
        return _body("personalizedRanking", items)

    def get_action_recommendations(self, body: bytes) -> bytes:
        """Answer GetActionRecommendations: actions by propensity."""
        asked = asked_actions(self._contract.request("GetActionRecommendations", body))
        self._resource(asked, {Kind.ACTION}, "GetActionRecommendations")
        best = self._propensities.best(asked.user_id or "", asked.num_results)
        return _body("actionList", [{"actionId": name, "score": score} for name, score in best])

    def _resource(self, asked: Asked, kinds: frozenset[Kind] | set[Kind], name: str) -> Resource:
        """Return what the request is for, when it may be asked this."""
        resource = self._resources.find(asked.arn_member, asked.arn)
        recipe = resource.recipe
        if recipe.kind not in kinds:
            raise invalid_input(f"{name} does not go with {asked.arn}, built on {recipe.name}")
        given = {"userId": asked.user_id, "itemId": asked.item_id}
        missing = [member for member in recipe.needs if not given[member]]
        if missing:
            raise invalid_input(f"{recipe.name} needs {' and '.join(missing)}, not null or empty")
        for arn in asked.filter_arns:
            raise not_found(f"filterArn {arn} does not exist")
        return resource

    def _columns(self, asked: Asked, resource: Resource) -> dict[str, pa.Array[Any]]:
        """Return the metadata columns that a request asks for, under the names it uses."""
        if asked.metadata_columns and not resource.metadata:
            raise invalid_input(f"metadata in recommendations is not enabled for {resource.arn}")
        by_upper = {name.upper(): name for name in reversed(self._item_columns)}
        columns = {}
        for name in asked.metadata_columns:
            spelling = name if name in self._item_columns else by_upper.get(name.upper())
            if spelling is None:
                known = ", ".join(self._item_columns) or "none"
                raise invalid_input(f"the items data set has no column {name!r}; it has: {known}")
            columns[name] = self._item_columns[spelling]
        return columns

    def _recommend(self, asked: AskedItems, resource: Resource) -> Ranked:
        match resource.recipe.kind:
            case Kind.USER:
                return self._recommender.for_user(self._user(asked), asked.num_results)
            case Kind.ITEM:
                item = self._item_codes.get(asked.item_id or "")
                return self._recommender.related(item, asked.num_results)
            case _:
                return self._recommender.popular(asked.num_results)

    def _user(self, asked: Asked) -> int | None:
        return self._user_codes.get(asked.user_id or "")

    def _items(
        self, codes: list[int], scores: list[float] | None, columns: dict[str, pa.Array[Any]]
    ) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = [{"itemId": self._item_ids[code]} for code in codes]
        if scores is not None:
            for item, score in zip(items, scores, strict=True):
                item["score"] = _plain(score)
        if columns:
            for item in items:
                item["metadata"] = {}
            rows = pa.array(codes, type=pa.int64())
            for name, column in columns.items():
                for item, value in zip(items, column.take(rows).to_pylist(), strict=True):
                    if value is not None:
                        item["metadata"][name] = value
        return items


def _plain(score: float) -> float | orjson.Fragment:
    """Return a score as something that is written without an exponent."""
    return orjson.Fragment(f"{score:.7f}") if 0.0 < score < _EXPONENT_BELOW else score


def _body(list_name: str, members: list[dict[str, Any]]) -> bytes:
    # "RID-" and a UUID: 40 characters, as captured answers have them
    return orjson.dumps({list_name: members, "recommendationId": f"RID-{uuid4()}"})
