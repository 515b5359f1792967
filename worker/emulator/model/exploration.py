"""Exploration: new items get a chance, and the same request always gives it to the same ones.

Sources: developer guide, "User-Personalization-v2 recipe" and "Reasons for recommendations".
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.datasets import Data
from worker.emulator.data.tables import find_column, in_seconds

SHARE: Final = 0.01
"""Share of the recommended items that are explored; the service's own is not documented."""

AGE_MAX_S: Final = 30 * 86_400
"""Age up to which an item is new: the service's default explorationItemAgeCutOff, 30 days."""

ITEMS_MAX: Final = 100
"""New items that take part, those that were seen least."""


def newcomers(data: Data) -> np.ndarray:
    """Return the items that may be explored, in the order of their codes.

    New are items created within 30 days before the last interaction, going by CREATION_TIMESTAMP,
    or without it by their first interaction, and those that nobody has touched. Where nothing is
    new, the items seen least take their place.
    """
    items = len(data.item_ids)
    counts = np.bincount(data.item_codes, minlength=items)
    end = int(data.timestamps.max())
    born = np.full(items, np.iinfo(np.int64).max)
    np.minimum.at(born, data.item_codes, data.timestamps)
    told = created(data)
    born = np.where(told >= 0, told, born)
    new = np.flatnonzero(born >= end - AGE_MAX_S)
    if not len(new):
        new = np.arange(items)
    least_seen = new[np.argsort(counts[new], kind="stable")[:ITEMS_MAX]]
    return np.sort(least_seen)


def created(data: Data) -> np.ndarray:
    """Return each item's CREATION_TIMESTAMP, -1 where there is none."""
    nothing = np.full(len(data.item_ids), -1, dtype=np.int64)
    name = find_column(data.item_table, "CREATION_TIMESTAMP")
    if name is None:
        return nothing
    column = in_seconds(data.item_table.column(name))
    try:
        times: Any = pc.fill_null(column.cast(pa.int64()), -1)
    except pa.ArrowException:
        return nothing  # not in the service's form, so as good as absent
    found: np.ndarray = times.to_numpy().astype(np.int64)
    return found
