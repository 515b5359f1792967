"""The three runtime operations: a request's JSON in, an answer's JSON out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import numpy as np
import orjson
import pyarrow as pa

from worker.emulator.api.contract import Contract
from worker.emulator.data.datasets import Data
from worker.emulator.errors import invalid_input
from worker.emulator.filters.filtering import Filters
from worker.emulator.model.actions import Propensities
from worker.emulator.model.chance import Chance
from worker.emulator.model.choose import Choice, Promoting, choose, choose_explained, promoted_count
from worker.emulator.model.contexts import Contexts, Told
from worker.emulator.model.history import History
from worker.emulator.model.recommend import Recommender
from worker.emulator.model.relevance import Allowed
from worker.emulator.model.train import train
from worker.emulator.recipes import USE_CASES, Kind, Recipe
from worker.emulator.requests import Asked, AskedItems, asked_actions, asked_items, asked_ranking
from worker.emulator.resources import Resource, Resources
from worker.emulator.settings import EmulatorSettings

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
        self._settings = settings
        self._resources = resources
        self._filters = Filters(resources, data)
        self._contexts = Contexts(data)
        self._recommender = Recommender(train(data), data, self._contexts)
        self._histories = {
            each.hides: History(data, each.hides) for each in USE_CASES.values() if each.hides
        }
        self._propensities = Propensities(data)
        self.actions_scored = self._propensities.scored
        self._user_codes = {each: code for code, each in enumerate(data.user_ids)}
        self._item_codes = {each: code for code, each in enumerate(data.item_ids)}
        self._item_ids = data.item_ids
        self._item_columns = data.item_columns

    def get_recommendations(self, body: bytes) -> bytes:
        """Answer GetRecommendations: a user's, an item's or everybody's list."""
        asked = asked_items(self._contract.request("GetRecommendations", body))
        resource = self._resource(asked, _ITEM_KINDS, "GetRecommendations")
        columns = self._columns(asked, resource)
        told = self._told(asked)
        return _body("itemList", self._items(self._chosen(asked, resource, told), columns))

    def get_personalized_ranking(self, body: bytes) -> bytes:
        """Answer GetPersonalizedRanking: known items by score, then unknown ones.

        With a filter, only known items that it lets through.
        """
        asked = asked_ranking(self._contract.request("GetPersonalizedRanking", body))
        resource = self._resource(asked, {Kind.RANKING}, "GetPersonalizedRanking")
        columns = self._columns(asked, resource)
        told, user = self._told(asked), self._user(asked)
        once = dict.fromkeys(asked.item_ids)
        known = [self._item_codes[item] for item in once if item in self._item_codes]
        unknown = [item for item in once if item not in self._item_codes]
        allowed = self._allowed(asked.filter_arn, asked.filter_values, user, None)
        if allowed is not None:
            known, unknown = [code for code in known if allowed[code]], []
        ranked = self._recommender.ranking(user, known, told)
        scores = ranked.scores or []
        choices = [Choice(*pair) for pair in zip(ranked.codes, scores, strict=True)]
        zero = {"score": 0.0} if self._settings.unknown_item_score == "zero" else {}
        items = self._items(choices, columns) + [{"itemId": item, **zero} for item in unknown]
        return _body("personalizedRanking", items)

    def get_action_recommendations(self, body: bytes) -> bytes:
        """Answer GetActionRecommendations: actions by propensity."""
        asked = asked_actions(self._contract.request("GetActionRecommendations", body))
        self._resource(asked, {Kind.ACTION}, "GetActionRecommendations")
        user = self._user(asked)
        allowed = self._allowed(asked.filter_arn, asked.filter_values, user, None)
        best = self._propensities.best(user, asked.num_results, allowed)
        actions = [{"actionId": name, "score": _plain(score)} for name, score in best]
        return _body("actionList", actions)

    def _resource(self, asked: Asked, kinds: frozenset[Kind] | set[Kind], name: str) -> Resource:
        """Return what the request is for, when it may be asked this."""
        resource = self._resources.find(asked.arn_member, asked.arn)
        recipe = resource.recipe
        if recipe.kind not in kinds:
            kind = asked.arn_member.removesuffix("Arn")
            raise invalid_input(
                f"{name} is not supported by the recipe {recipe.name} of {kind} {asked.arn}"
            )
        given = {"userId": asked.user_id, "itemId": asked.item_id}
        missing = [member for member in recipe.needs if not given[member]]
        if missing:
            raise invalid_input(f"{recipe.name} needs {' and '.join(missing)}, not null or empty")
        promotion = asked.promotion if isinstance(asked, AskedItems) else None
        promoting = None if promotion is None else promotion.filter_arn
        if promotion is not None and not recipe.promoted:
            raise invalid_input(f"promotions do not go with {asked.arn}, built on {recipe.name}")
        for arn in (asked.filter_arn, promoting):
            if arn is not None:
                self._filters.check(arn, recipe, user_id=asked.user_id, item_id=asked.item_id)
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

    def _told(self, asked: Asked) -> Told:
        """Return what the request's context tells, when its keys are such as there can be."""
        if not asked.context:
            return ()
        if self._settings.unknown_context == "refuse":
            self._contexts.check(asked.context)
        return self._contexts.told(asked.context)

    def _chosen(self, asked: AskedItems, resource: Resource, told: Told) -> list[Choice]:
        recipe = resource.recipe
        user, item = self._user(asked), self._item_codes.get(asked.item_id or "")
        promotion = asked.promotion
        shown = self._shown(recipe, user)
        allowed = _both(shown, self._allowed(asked.filter_arn, asked.filter_values, user, item))
        promoting = None
        if promotion is not None:
            possible = self._filters.allowed(
                promotion.filter_arn, promotion.filter_values, user=user, item=item
            )
            promoting = Promoting(
                promotion.name,
                promoted_count(promotion.percent, asked.num_results),
                possible if shown is None else possible & shown,
            )
        about = (asked.item_id or "").encode() if recipe.kind is Kind.ITEM else b""
        chance = Chance(self._settings.seed, asked.fingerprint + about)
        if recipe.reasons:
            return choose_explained(
                self._recommender,
                self._recommender.subset(user, told),
                asked.num_results,
                allowed=allowed,
                promoting=promoting,
                chance=chance,
            )
        relevance = self._recommender.relevance(
            recipe, user=user, item=item, told=told, influence=resource.influence
        )
        return choose(
            relevance,
            asked.num_results,
            scored=recipe.scored,
            allowed=allowed,
            promoting=promoting,
            chance=chance,
        )

    def _allowed(
        self, arn: str | None, values: Mapping[str, str], user: int | None, item: int | None
    ) -> Allowed | None:
        if arn is None:
            return None
        return self._filters.allowed(arn, values, user=user, item=item)

    def _shown(self, recipe: Recipe, user: int | None) -> Allowed | None:
        """Return what is left when a use case hides what the user has; None for everything."""
        if recipe.hides is None:
            return None
        hidden = self._histories[recipe.hides].of(user)
        if not len(hidden):
            return None
        shown = np.ones(len(self._item_ids), dtype=np.bool_)
        shown[hidden] = False
        return shown

    def _user(self, asked: Asked) -> int | None:
        return self._user_codes.get(asked.user_id or "")

    def _items(
        self, choices: list[Choice], columns: dict[str, pa.Array[Any]]
    ) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        for choice in choices:
            item: dict[str, Any] = {"itemId": self._item_ids[choice.code]}
            if choice.score is not None:
                item["score"] = _plain(choice.score)
            if choice.promotion is not None:
                item["promotionName"] = choice.promotion
            if choice.reason is not None:
                item["reason"] = [choice.reason]
            items.append(item)
        if columns:
            for item in items:
                item["metadata"] = {}
            rows = pa.array([choice.code for choice in choices], type=pa.int64())
            for name, column in columns.items():
                for item, value in zip(items, column.take(rows).to_pylist(), strict=True):
                    if value is not None:
                        item["metadata"][name] = value
        return items


def _both(one: Allowed | None, other: Allowed | None) -> Allowed | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _plain(score: float) -> float | orjson.Fragment:
    """Return a score as something that is written without an exponent."""
    return orjson.Fragment(f"{score:.7f}") if 0.0 < score < _EXPONENT_BELOW else score


def _body(list_name: str, members: list[dict[str, Any]]) -> bytes:
    # "RID-" and a UUID: 40 characters, as captured answers have them
    return orjson.dumps({list_name: members, "recommendationId": f"RID-{uuid4()}"})
