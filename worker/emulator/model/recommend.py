"""From a model to relevance and ranked items: the same answers whatever was asked before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from worker.emulator.data.datasets import Data
from worker.emulator.model.cache import Recent
from worker.emulator.model.contexts import Contexts, Told
from worker.emulator.model.exploration import newcomers
from worker.emulator.model.likeness import Likeness
from worker.emulator.model.popularity import popularity
from worker.emulator.model.relevance import Ranked, Relevance, Subset
from worker.emulator.model.softmax import as_scores, best
from worker.emulator.model.train import Model
from worker.emulator.recipes import Kind, Measure, Recipe

POPULAR_SCORED: Final = 100
"""Popular items that User-Personalization-v2 scores besides the 500 best ones for the user."""

_CACHE_BYTES: Final = 64 * 1024 * 1024
_CACHE_ENTRIES_MAX: Final = 4096


class Recommender:
    """Answers over one trained model. Users and items are codes; None is one that is unknown.

    A user or item without any interaction is as unknown as one never heard of: nothing has been
    learnt about it.
    """

    def __init__(
        self, model: Model, data: Data | None = None, contexts: Contexts | None = None
    ) -> None:
        """Without `data` there are no newcomers or kinds of popularity."""
        self._model = model
        self._likeness = None if data is None else Likeness(data)
        self._contexts = contexts
        measured = {
            measure: model.popularity if data is None else popularity(data, measure)
            for measure in Measure
        }
        self._popular: Mapping[Measure, Relevance] = {
            measure: Relevance(weights, None) for measure, weights in measured.items()
        }
        self._cold = Relevance(model.popularity, float(model.popularity.sum(dtype=np.float64)))
        self.newcomers = np.empty(0, dtype=np.int64) if data is None else newcomers(data)
        self._scored_anyway = np.zeros(len(model.popularity), dtype=np.bool_)
        self._scored_anyway[self.newcomers] = True
        self._scored_anyway[best(model.popularity, POPULAR_SCORED)] = True
        entries = _CACHE_BYTES // (4 * max(1, len(model.popularity)))
        entries = max(1, min(entries, _CACHE_ENTRIES_MAX))
        self._users: Recent[Relevance] = Recent(entries)
        self._items: Recent[Relevance] = Recent(entries)
        self._subsets: Recent[Subset] = Recent(entries)
        self._texts: Recent[Relevance] = Recent(entries)

    def relevance(
        self,
        recipe: Recipe,
        *,
        user: int | None,
        item: int | None,
        told: Told = (),
        influence: Mapping[str, float] = {},
    ) -> Relevance:
        """Return how relevant every item is to a request; `influence` is for what goes by texts."""
        match recipe.kind:
            case Kind.USER | Kind.RANKING:
                return self.user(user, told if recipe.contextual else ())
            case Kind.ITEM if recipe.by_text:
                return self._alike(item, influence)
            case Kind.ITEM:
                return self.item(item)
            case _:
                return self._popular[recipe.measure]

    def subset(self, user: int | None, told: Told = ()) -> Subset:
        """Return the items that User-Personalization-v2 scores for a user."""
        return self._subsets.get(
            (self._known(user), told),
            lambda: Subset.of(self.user(user, told), self._scored_anyway),
        )

    def user(self, user: int | None, told: Told = ()) -> Relevance:
        """Return every item's weight for a user; an unknown one gets what is popular."""
        user = self._known(user)
        if user is None and not told:
            return self._cold
        return self._users.get((user, told), lambda: self._for_user(user, told))

    def item(self, item: int | None) -> Relevance:
        """Return every item's likeness to an item, itself left out; popularity if unknown."""
        if item is None:
            return self._popular[Measure.INTERACTIONS]
        return self._items.get(item, lambda: self._like_item(item))

    def _alike(self, item: int | None, influence: Mapping[str, float]) -> Relevance:
        """Return every item's likeness by its texts; popularity where there are none."""
        likeness = self._likeness
        if item is None or likeness is None:
            return self._popular[Measure.INTERACTIONS]

        def made() -> Relevance:
            weights = likeness.to(item, influence)
            if weights is None:
                weights = self._popular[Measure.INTERACTIONS].weights.copy()
                weights[item] = -np.inf
            return Relevance(weights, None)

        return self._texts.get((item, *sorted(influence.items())), made)

    def popular(self, count: int, measure: Measure = Measure.INTERACTIONS) -> Ranked:
        """Return the most popular items, without scores."""
        return self._popular[measure].ranked(count)

    def popular_items(self) -> Relevance:
        """Return every item's number of interactions."""
        return self._popular[Measure.INTERACTIONS]

    def for_user(self, user: int | None, count: int, told: Told = ()) -> Ranked:
        """Return the `count` best items of the whole catalogue, all of whose scores sum to 1.

        An unknown user gets the popular items, scored by their share of all interactions.
        """
        return self.user(user, told).ranked(count)

    def ranking(self, user: int | None, items: Sequence[int], told: Told = ()) -> Ranked:
        """Return the given items, each of which occurs once, in the user's order.

        Scores sum to 1 over the given items.
        """
        chosen = np.array(items, dtype=np.int64)
        given = self.user(user, told).weights[chosen].astype(np.float64)
        total = float(given.sum())
        if total <= 0.0:  # every weight too small for a float: nothing tells the items apart
            given, total = np.ones(len(items)), float(max(1, len(items)))
        order = np.lexsort((chosen, -given))
        return Ranked(chosen[order].tolist(), as_scores(given[order], total))

    def related(self, item: int | None, count: int) -> Ranked:
        """Return the items most like the given one, itself left out, without scores."""
        return self.item(item).ranked(count)

    def _known(self, user: int | None) -> int | None:
        return user if user is not None and len(self._model.seen(user)) else None

    def _for_user(self, user: int | None, told: Told) -> Relevance:
        lift = None if self._contexts is None else self._contexts.lift(told)
        if user is not None:
            return Relevance(*self._model.weights(user, lift))
        weights = self._cold.weights if lift is None else self._cold.weights * np.exp(lift)
        return Relevance(weights, float(weights.sum(dtype=np.float64)))

    def _like_item(self, item: int) -> Relevance:
        directions = self._model.item_directions
        own = directions[:, item]
        if own.any():
            weights = np.ascontiguousarray(own) @ directions
        else:  # in the catalogue, but nobody has touched it
            weights = self._model.popularity.copy()
        weights[item] = -np.inf
        return Relevance(weights, None)
