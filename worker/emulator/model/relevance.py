"""How relevant every item is to one request, and the best of those that are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.emulator.model.softmax import Floats, as_scores, best
from worker.emulator.requests import RESULTS_MAX

Codes = npt.NDArray[np.int64]
Allowed = npt.NDArray[np.bool_]
_HEAD: Final = 100


@dataclass(frozen=True, slots=True)
class Ranked:
    """Item codes, best first, and their scores if this kind of answer has any."""

    codes: list[int]
    scores: list[float] | None


@dataclass(frozen=True)
class Relevance:
    """A weight for every item; -inf for one that is no answer, whatever is allowed.

    `total` is what weights are divided by to make scores, None where there are none. Ties go by
    code, so by ID in ascending order.
    """

    weights: Floats
    total: float | None

    @cached_property
    def head(self) -> Codes:
        """The best items of the catalogue: as many as most requests ask for."""
        codes = best(self.weights, _HEAD)
        return codes[self.weights[codes] > -np.inf]

    def best(self, count: int, allowed: Allowed | None = None) -> Codes:
        """Return the `count` best items among those allowed, or fewer if there are not so many."""
        head = self.head
        found = head if allowed is None else head[allowed[head]]
        if len(found) >= count:
            return found[:count]
        possible = self.weights > -np.inf
        among = np.flatnonzero(possible if allowed is None else possible & allowed)
        return among[best(self.weights[among], count)]

    def scores(self, codes: Codes) -> list[float] | None:
        """Return the scores of items, or None where this kind of answer has none."""
        return None if self.total is None else as_scores(self.weights[codes], self.total)

    def ranked(self, count: int) -> Ranked:
        """Return the `count` best items of the catalogue."""
        codes = self.best(count)
        return Ranked(codes.tolist(), self.scores(codes))


@dataclass(frozen=True)
class Subset:
    """The items that a recipe scores when it does not score all of them.

    `codes` are sorted by weight, best first; the scores of all of them sum to 1.
    """

    codes: Codes
    relevance: Relevance

    @staticmethod
    def of(relevance: Relevance, more: Allowed) -> Subset:
        """Return the best 500 items together with those that `more` marks."""
        top = best(relevance.weights, RESULTS_MAX)
        marked = more.copy()
        marked[top] = False
        others = np.flatnonzero(marked)
        others = others[np.argsort(-relevance.weights[others], kind="stable")]
        codes = np.concatenate([top, others])
        total = float(relevance.weights[codes].sum(dtype=np.float64))
        return Subset(codes, Relevance(relevance.weights, total))

    def best(self, count: int, allowed: Allowed | None) -> Codes:
        """Return the `count` best of the subset's items that are allowed."""
        codes = self.codes if allowed is None else self.codes[allowed[self.codes]]
        return codes[:count]
