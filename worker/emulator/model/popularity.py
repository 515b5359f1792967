"""What is popular: most interactions, most views, most purchases, or growing right now.

Sources: the developer guide's pages "Popularity-Count recipe", "Trending-Now recipe",
"ECOMMERCE use cases" and "VIDEO_ON_DEMAND use cases". The service finds trends in windows of 30
minutes to a day before now; an exported data set has no now, so the window is the data's own end.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from worker.emulator.data.datasets import Data
from worker.emulator.model.softmax import Floats
from worker.emulator.recipes import Measure

WINDOW_SHARE: Final = 0.05
"""The latest share of the interactions is the window; as many before it are its past."""


def popularity(data: Data, measure: Measure) -> Floats:
    """Return a number for every item, larger for the more popular.

    Without an EVENT_TYPE column, or without one event of the type, all interactions count.
    """
    counts = np.bincount(data.item_codes, minlength=len(data.item_ids))
    if measure is Measure.TREND:
        return _trend(data, counts.astype(np.float64))
    if measure is not Measure.INTERACTIONS and "EVENT_TYPE" in data.interaction_columns:
        rows = data.interaction_columns["EVENT_TYPE"].rows_of(measure.value)
        if rows.any():
            of_type = np.bincount(data.item_codes[rows], minlength=len(data.item_ids))
            return _places(of_type.astype(np.float64), counts.astype(np.float64))
    return counts.astype(np.float32)


def _trend(data: Data, counts: np.ndarray) -> Floats:
    """Rank by growth from the last but one window to the last, in standard deviations of chance."""
    before, since = np.quantile(
        data.timestamps, [1.0 - 2.0 * WINDOW_SHARE, 1.0 - WINDOW_SHARE], method="lower"
    )
    recent = data.timestamps >= since
    past = (data.timestamps >= before) & ~recent
    now = np.bincount(data.item_codes[recent], minlength=len(counts))
    then = np.bincount(data.item_codes[past], minlength=len(counts))
    growth = (now - then) / np.sqrt(now + then + 1.0)
    return _places(growth, counts)


def _places(first: np.ndarray, second: np.ndarray) -> Floats:
    """Return n for the best of n items and 1 for the worst; ties of `first` go by `second`."""
    order = np.lexsort((np.arange(len(first)), -second, -first))
    places = np.empty(len(first), dtype=np.float32)
    places[order] = np.arange(len(first), 0, -1, dtype=np.float32)
    return places
