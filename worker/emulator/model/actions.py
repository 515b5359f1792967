"""Next best actions: how likely each user is to take each action."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from worker.emulator.data.datasets import Data
from worker.emulator.data.tables import find_column, in_seconds
from worker.emulator.model.softmax import SCORE_DECIMALS

_Uint64s = npt.NDArray[np.uint64]
_SPREAD: Final = 2.0  # logits by which an action's appeal differs between users, either way
_VALUE_WEIGHT: Final = 0.5  # logits that an action's VALUE adds or takes, at most


class Propensities:
    """Scores of every (user, action) pair, drawn from the seed and the two IDs.

    There is no action-interactions data set to learn from, so they are made up: every action has
    an appeal of its own, more of it with a higher VALUE, and every user leans to or from it.
    Unknown users have scores like anybody else. Actions whose ACTION_EXPIRATION_TIMESTAMP is
    before the last interaction have expired and are never returned.
    """

    def __init__(self, data: Data, *, seed: int) -> None:
        self._action_ids = data.action_ids
        self._seed = seed
        keys = [self._key("action", each) for each in self._action_ids]
        self._keys = np.array(keys, dtype=np.uint64)
        # Appeals around a logit of -1: a propensity of about a quarter
        self._appeal = -1.0 + _SPREAD * (_uniform(self._keys) - 0.5)
        values = _numbers(data, "VALUE")
        typical = float(np.nanmean(values)) if not np.isnan(values).all() else 0.0
        self._appeal += _VALUE_WEIGHT * np.tanh(np.nan_to_num(values - typical))
        expires = _numbers(data, "ACTION_EXPIRATION_TIMESTAMP")
        self._alive = ~(expires <= float(data.timestamps.max()))  # true where there is no time

    def best(
        self, user_id: str, count: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> list[tuple[str, float]]:
        """Return (action ID, propensity 0..1) pairs, best first, ties in the order of the IDs."""
        lean = _uniform(self._keys ^ np.uint64(self._key("user", user_id))) - 0.5
        scores = np.round(1.0 / (1.0 + np.exp(-self._appeal - 2 * _SPREAD * lean)), SCORE_DECIMALS)
        among = np.flatnonzero(self._alive if allowed is None else self._alive & allowed)
        order = among[np.argsort(-scores[among], kind="stable")[:count]]
        return [(self._action_ids[n], float(scores[n])) for n in order.tolist()]

    def _key(self, kind: str, identifier: str) -> int:
        text = f"{self._seed}/{kind}/{identifier}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def _numbers(data: Data, name: str) -> npt.NDArray[np.float64]:
    """Return a column of the actions data set, NaN where it has no finite number."""
    spelling = find_column(data.action_table, name)
    nothing = np.full(len(data.action_ids), np.nan)
    if spelling is None:
        return nothing
    column = in_seconds(data.action_table.column(spelling))
    try:
        numbers: npt.NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException:
        return nothing  # not in the service's form, so as good as absent
    return np.where(np.isfinite(numbers), numbers, nothing)


def _uniform(keys: _Uint64s) -> npt.NDArray[np.float64]:
    """Return a number from 0 up to 1 for each key, unrelated for keys that differ in one bit.

    The finishing steps of the SplitMix64 generator (Steele, Lea and Flood, OOPSLA 2014).
    """
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
