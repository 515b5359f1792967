"""From a model to ranked items and scores: the same answers whatever was asked before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from worker.emulator.softmax import Floats, as_scores, best
from worker.emulator.train import Model

RESULTS_MAX: Final = 500
"""Longest list that a request can ask for (API reference, GetRecommendations, numResults)."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Item codes, best first, and their scores if this kind of answer has any."""

    codes: list[int]
    scores: list[float] | None


class Recommender:
    """Answers over one trained model. Users and items are codes; None is one that is unknown.

    A user or item without any interaction is as unknown as one never heard of: nothing has been
    learnt about it. All methods break ties by code, so by ID in ascending order.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._popular = best(model.popularity, RESULTS_MAX)
        self._popular_total = float(model.popularity.sum(dtype=np.float64))

    def for_user(self, user: int | None, count: int) -> Ranked:
        """Return the `count` best items of the whole catalogue, all of whose scores sum to 1.

        An unknown user gets the popular items, scored by their share of all interactions.
        """
        weights, total = self._weights(user)
        codes = best(weights, count)
        return Ranked(codes.tolist(), as_scores(weights[codes], total))

    def ranking(self, user: int | None, items: Sequence[int]) -> Ranked:
        """Return the given items, each of which occurs once, in the user's order.

        Scores sum to 1 over the given items.
        """
        weights, _ = self._weights(user)
        chosen = np.array(items, dtype=np.int64)
        given = weights[chosen].astype(np.float64)
        total = float(given.sum())
        if total <= 0.0:  # every weight too small for a float: nothing tells the items apart
            given, total = np.ones(len(items)), float(len(items))
        order = np.lexsort((chosen, -given))
        return Ranked(chosen[order].tolist(), as_scores(given[order], total))

    def related(self, item: int | None, count: int) -> Ranked:
        """Return the items most like the given one, itself left out, without scores.

        An unknown item gets the popular ones.
        """
        if item is None:
            return self.popular(count)
        directions = self._model.item_directions
        own = directions[:, item]
        if not own.any():  # in the catalogue, but nobody has touched it
            others = self._popular[self._popular != item]
            return Ranked(others[:count].tolist(), None)
        likeness = np.ascontiguousarray(own) @ directions
        likeness[item] = -np.inf
        return Ranked(best(likeness, min(count, len(likeness) - 1)).tolist(), None)

    def popular(self, count: int) -> Ranked:
        """Return the items with the most interactions, without scores."""
        return Ranked(self._popular[:count].tolist(), None)

    def _weights(self, user: int | None) -> tuple[Floats, float]:
        if user is None or not len(self._model.seen(user)):
            return self._model.popularity, self._popular_total
        return self._model.weights(user)
