"""Who did what, as filters ask it: each user's most recent events of each type.

Sources: developer guide, "Filter expressions", "Amazon Personalize endpoints and quotas".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from worker.emulator.data.datasets import EventLog
from worker.emulator.filters.columns import Bools

RECENT_MAX: Final = 100
"""Interactions per user and event type that filters see."""

RECENT_ACTIONS_MAX: Final = 300
"""Action interactions likewise."""


class Events:
    """Each user's most recent events of each type; types match in any case.

    Codes are those of `size` items or actions; there are `users` users. `folded` makes one type of
    the spellings of it.
    """

    def __init__(
        self,
        log: EventLog,
        *,
        size: int,
        users: int,
        recent_max: int,
        folded: Callable[[str], str] = str.casefold,
    ) -> None:
        self._size = size
        self._folded = folded
        dictionary = [folded(str(each)) for each in log.types.dictionary.to_pylist()]
        self._codes = {value: n for n, value in enumerate(dict.fromkeys(dictionary))}
        no_type = len(self._codes)  # one group for events whose type is null
        recode = np.array([*(self._codes[value] for value in dictionary), no_type], dtype=np.int64)
        indices: Any = log.types.indices
        types = recode[indices.fill_null(len(dictionary)).to_numpy()]
        group = log.user_codes.astype(np.int64) * (no_type + 1) + types
        # Of events at the same second the higher code counts as later.
        order = np.lexsort((log.codes, log.timestamps, group))
        group = group[order]
        # Within a group the latest come last: all but those with as many after them are kept.
        recent = order[~_same_later(group, by=recent_max)]
        self._items = log.codes[recent]
        self._types = types[recent]
        self._start = np.searchsorted(log.user_codes[recent], np.arange(users + 1)).tolist()

    @property
    def recorded(self) -> bool:
        """Whether any event has a type."""
        return bool(self._codes)

    def wanted(self, types: Iterable[str]) -> Bools | None:
        """Return a table of which types are meant, or None for all of them ("*")."""
        table = np.zeros(len(self._codes) + 1, dtype=np.bool_)
        for each in types:
            if each == "*":
                return None
            code = self._codes.get(self._folded(each))
            if code is not None:
                table[code] = True
        return table

    def touched(self, user: int | None, wanted: Bools | None) -> Bools:
        """Return what a user has interacted with by one of the wanted types."""
        mask = np.zeros(self._size, dtype=np.bool_)
        if user is not None:
            own = slice(self._start[user], self._start[user + 1])
            items = self._items[own]
            mask[items if wanted is None else items[wanted[self._types[own]]]] = True
        return mask


def _same_later(values: npt.NDArray[np.int64], *, by: int) -> Bools:
    """Return where a sorted array has the same value `by` places later."""
    same = np.zeros(len(values), dtype=np.bool_)
    same[:-by] = values[by:] == values[:-by]
    return same


def action_type(spelling: str) -> str:
    """Return one type for NOT_TAKEN, Not taken and Not Taken, all of which the guide has."""
    return spelling.replace(" ", "_").casefold()
