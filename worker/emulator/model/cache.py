"""A bounded memory of what was computed for the last users and items."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_V = TypeVar("_V")


class Recent(Generic[_V]):
    """The values of the keys used last, at most `entries_max` of them.

    It can change nothing but speed, as long as a value depends on its key alone. For one thread.
    """

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._values: OrderedDict[Hashable, _V] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], _V]) -> _V:
        """Return the key's value, made if it is not remembered."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = make()
            if len(self._values) > self._entries_max:
                self._values.popitem(last=False)
        else:
            self._values.move_to_end(key)
        return value
