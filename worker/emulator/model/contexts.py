"""Contextual metadata: what is taken more, or less, in the context that a request tells.

Source: developer guide, "Increasing recommendation relevance with contextual metadata": the keys
of a request's context are metadata fields of the interactions schema.

Learned for each value of each column, such as DEVICE = phone: an item's lift, which is the log of
how often it was taken in that context over how often it would have been had the context not
mattered. Both counts are smoothed, so a few interactions say little. Lifts are added to logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from worker.emulator.data.datasets import Data
from worker.emulator.errors import invalid_input
from worker.emulator.model.softmax import Floats

SUPPORT_MIN: Final = 20
"""Interactions that a value needs before anything is learned from it."""

VALUES_PER_KEY_MAX: Final = 100
"""Values with lifts per column, those with the most interactions."""

_CELLS_MAX: Final = 16_000_000  # values x items: 64 MiB of float32
_SMOOTHING: Final = 5.0  # interactions added to what was seen and to what was expected
_NOT_CONTEXT: Final = frozenset(
    {
        "EVENT_ID",
        "EVENT_TYPE",
        "EVENT_VALUE",
        "IMPRESSION",
        "ITEM_ID",
        "RECOMMENDATION_ID",
        "TIMESTAMP",
        "USER_ID",
    }
)
"""Keys and reserved fields of the interactions schema, which are no metadata."""

Told = tuple[tuple[str, str], ...]
"""The (column, value) pairs of a context that something was learned about, sorted."""


class Contexts:
    """The columns that a context may name, and the lifts of their values."""

    def __init__(self, data: Data) -> None:
        columns = {
            name: coded
            for name, coded in data.interaction_columns.items()
            if name not in _NOT_CONTEXT
        }
        self.keys = tuple(sorted(columns))
        items = len(data.item_ids)
        counts = np.bincount(data.item_codes, minlength=items).astype(np.float64)
        room = _CELLS_MAX // max(1, items)
        self._lifts: dict[tuple[str, str], Floats] = {}
        for key in self.keys:
            coded = columns[key]
            support = np.bincount(coded.codes + 1, minlength=len(coded.values) + 1)[1:]
            for code in np.argsort(-support, kind="stable")[:VALUES_PER_KEY_MAX].tolist():
                if support[code] < SUPPORT_MIN or len(self._lifts) >= room:
                    break
                here = np.bincount(data.item_codes[coded.codes == code], minlength=items)
                expected = counts * (support[code] / max(1, len(data.item_codes)))
                lift = np.log((here + _SMOOTHING) / (expected + _SMOOTHING))
                self._lifts[key, coded.values[code]] = lift.astype(np.float32)

    def check(self, context: Mapping[str, str]) -> None:
        """Raise ServiceFault for a key that is no column, whatever its case."""
        for key in context:
            if key.upper() not in self.keys:
                known = ", ".join(self.keys) or "none"
                raise invalid_input(
                    f"context key {key!r} is no metadata field of the interactions; there are: "
                    f"{known}"
                )

    def told(self, context: Mapping[str, str]) -> Told:
        """Return what a context tells; values never seen, or hardly ever, tell nothing."""
        pairs = {(key.upper(), value) for key, value in context.items()}
        return tuple(sorted(pairs & self._lifts.keys()))

    def lift(self, told: Told) -> Floats | None:
        """Return what the context adds to every item's logit, or None for nothing."""
        if not told:
            return None
        total = self._lifts[told[0]]
        for pair in told[1:]:
            total = total + self._lifts[pair]
        return total
