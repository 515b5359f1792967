"""Next best actions: how likely each user is to take each action."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt

from worker.emulator.softmax import SCORE_DECIMALS

_Uint64s = npt.NDArray[np.uint64]
_SPREAD: Final = 2.0  # logits by which an action's appeal differs between users, either way


class Propensities:
    """Scores of every (user, action) pair, drawn from the seed and the two IDs alone.

    There is no action-interaction data to learn from in this version, so they are made up: every
    action has an appeal of its own, and every user leans to or from it. Unknown users have scores
    like anybody else.
    """

    def __init__(self, action_ids: Sequence[str], *, seed: int) -> None:
        self._action_ids = action_ids
        self._seed = seed
        self._keys = np.array([self._key("action", each) for each in action_ids], dtype=np.uint64)
        # Appeals around a logit of -1: a propensity of about a quarter
        self._appeal = -1.0 + _SPREAD * (_uniform(self._keys) - 0.5)

    def best(self, user_id: str, count: int) -> list[tuple[str, float]]:
        """Return (action ID, propensity 0..1) pairs, best first, ties in the order of the IDs."""
        lean = _uniform(self._keys ^ np.uint64(self._key("user", user_id))) - 0.5
        scores = np.round(1.0 / (1.0 + np.exp(-self._appeal - 2 * _SPREAD * lean)), SCORE_DECIMALS)
        order = np.argsort(-scores, kind="stable")[:count]
        return [(self._action_ids[n], float(scores[n])) for n in order.tolist()]

    def _key(self, kind: str, identifier: str) -> int:
        text = f"{self._seed}/{kind}/{identifier}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _uniform(keys: _Uint64s) -> npt.NDArray[np.float64]:
    """Return a number from 0 up to 1 for each key, unrelated for keys that differ in one bit.

    The finishing steps of the SplitMix64 generator (Steele, Lea and Flood, OOPSLA 2014).
    """
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
