"""Who watched and who purchased what: domain use cases don't recommend it again.

Sources: developer guide, "VIDEO_ON_DEMAND use cases" and "ECOMMERCE use cases": the events that
count are Watch and Purchase.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from worker.emulator.data.datasets import Data


class History:
    """Each user's items with events of one type. Without an EVENT_TYPE column, nobody has any."""

    def __init__(self, data: Data, event_type: str) -> None:
        coded = data.interaction_columns.get("EVENT_TYPE")
        rows = np.zeros(len(data.user_codes), bool) if coded is None else coded.rows_of(event_type)
        users, items = data.user_codes[rows], data.item_codes[rows]
        self._items = items[np.argsort(users, kind="stable")]
        self._start = np.append(0, np.cumsum(np.bincount(users, minlength=len(data.user_ids))))

    def of(self, user: int | None) -> npt.NDArray[np.int32]:
        """Return the codes of a user's items; an unknown user has none."""
        if user is None:
            return self._items[:0]
        return self._items[self._start[user] : self._start[user + 1]]
