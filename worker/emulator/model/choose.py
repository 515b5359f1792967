"""From relevance to one answer's list: filters, exploration, placeholders and promotions.

Sources: developer guide, "Promoting items in real-time recommendations", "Reasons for
recommendations", "User-Personalization-v2 recipe".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from worker.emulator.model.chance import Chance
from worker.emulator.model.exploration import SHARE
from worker.emulator.model.recommend import Recommender
from worker.emulator.model.relevance import Allowed, Codes, Relevance, Subset

EXPLORATION: Final = "Exploration"
PLACEHOLDER: Final = "Popular item"
PROMOTED: Final = "Promoted item"


class Choice(NamedTuple):
    """One item of an answer."""

    code: int
    score: float | None = None
    reason: str | None = None
    promotion: str | None = None


@dataclass(frozen=True, slots=True)
class Promoting:
    """What is promoted: at most `count` of the items allowed, under the promotion's name."""

    name: str
    count: int
    allowed: Allowed


def promoted_count(percent: int, results: int) -> int:
    """Return how many items of a list are promoted: rounded down, but one at least."""
    return min(results, max(1, percent * results // 100))


def choose(
    relevance: Relevance,
    count: int,
    *,
    scored: bool,
    allowed: Allowed | None = None,
    promoting: Promoting | None = None,
    chance: Chance,
) -> list[Choice]:
    """Return the list of a recipe that scores everything, or nothing unless `scored`.

    `allowed` has no say about promoted items.
    """
    promoted = np.empty(0, dtype=np.int64)
    if promoting is not None:
        promoted = relevance.best(promoting.count, promoting.allowed)
        allowed = _without(allowed, promoted, len(relevance.weights))
    scores = relevance.scores if scored else _no_scores
    best = relevance.best(count - len(promoted), allowed)
    rest = _choices(best, scores(best))
    if promoting is None:
        return rest
    ahead = _choices(promoted, scores(promoted), promotion=promoting.name)
    return _spread(ahead, rest, chance)


def choose_explained(
    recommender: Recommender,
    subset: Subset,
    count: int,
    *,
    allowed: Allowed | None = None,
    promoting: Promoting | None = None,
    chance: Chance,
) -> list[Choice]:
    """Return the list of User-Personalization-v2, which gives reasons.

    Of the items it scores, it returns the best that are allowed; a few make way for new ones. If
    not enough of them are allowed, popular items follow that are, without a score.
    """
    relevance, items = subset.relevance, len(subset.relevance.weights)
    promoted = np.empty(0, dtype=np.int64)
    if promoting is not None:
        promoted = relevance.best(promoting.count, promoting.allowed)
        allowed = _without(allowed, promoted, items)
    rest_count = count - len(promoted)
    best = subset.best(rest_count, allowed)
    new = _explored(recommender.newcomers, best, allowed, chance)
    best = best[: len(best) - len(new)]
    choices = _choices(best, relevance.scores(best))
    if len(new):
        new = new[np.lexsort((new, -relevance.weights[new]))]
        choices += _choices(new, relevance.scores(new), reason=EXPLORATION)
    if len(choices) < rest_count:
        others = _without(allowed, subset.codes, items)
        fill = recommender.popular_items().best(rest_count - len(choices), others)
        choices += [Choice(code, reason=PLACEHOLDER) for code in fill.tolist()]
    if promoting is None:
        return choices
    in_subset = set(subset.codes.tolist())
    scores = [
        score if code in in_subset else None
        for code, score in zip(promoted.tolist(), relevance.scores(promoted) or [], strict=True)
    ]
    ahead = _choices(promoted, scores, reason=PROMOTED, promotion=promoting.name)
    return _spread(ahead, choices, chance)


def _explored(newcomers: Codes, best: Codes, allowed: Allowed | None, chance: Chance) -> Codes:
    """Return new items that take the places of the last of the best ones."""
    count = chance.count(SHARE * len(best))
    if not count:
        return newcomers[:0]
    if allowed is not None:
        newcomers = newcomers[allowed[newcomers]]
    taken = set(best.tolist())
    others = [code for code in newcomers.tolist() if code not in taken]
    drawn = chance.draw().sample(others, min(count, len(others)))
    return np.array(drawn, dtype=np.int64)


def _without(allowed: Allowed | None, codes: Codes, items: int) -> Allowed:
    others = np.ones(items, dtype=np.bool_) if allowed is None else allowed.copy()
    others[codes] = False
    return others


def _no_scores(_codes: Codes) -> None:
    return None


def _choices(
    codes: Codes,
    scores: Sequence[float | None] | None,
    *,
    reason: str | None = None,
    promotion: str | None = None,
) -> list[Choice]:
    return [
        Choice(code, score, reason, promotion)
        for code, score in zip(codes.tolist(), scores or [None] * len(codes), strict=True)
    ]


def _spread(promoted: list[Choice], rest: list[Choice], chance: Chance) -> list[Choice]:
    """Return both in one list: promoted items at random places, each kind in its own order."""
    size = len(promoted) + len(rest)
    places = set(chance.draw().sample(range(size), len(promoted)))
    ahead, others = iter(promoted), iter(rest)
    return [next(ahead) if place in places else next(others) for place in range(size)]
