"""Values from JSON files, with something in them that is none of theirs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

JUNK: list[Any] = [
    None, True, -1, 0, 7, 1e300, float("nan"), float("inf"), "", "7", "x", [], [1], ["x"], [None],
    {}, {"x": "y"}, [{}],
]  # fmt: skip


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where everything in a value is, but for configs and the value itself."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        if key != "config":
            yield (*at, key)
            if isinstance(inner, dict | list):
                yield from places(inner, (*at, key))


def damaged(data: st.DataObject, files: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return files' values with one of them gone or another, and where that is."""
    where = data.draw(st.sampled_from([at for at in places(files) if len(at) > 1]))
    *above, key = where
    files = copy.deepcopy(files)
    inside: Any = files
    for step in above:
        inside = inside[step]
    if data.draw(st.booleans()):
        inside[key] = data.draw(st.sampled_from(JUNK))
    else:
        del inside[key]
    return where, files
