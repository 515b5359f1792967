"""Small data sets for the tests of filters, and filters over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from worker.emulator.data.datasets import Data
from worker.emulator.filters.compiled import Filter, compile_filters


def made(
    *,
    events: Sequence[tuple[int, int, int, str | None]],
    items: Mapping[str, Any],
    users: Mapping[str, Any],
    actions: Mapping[str, Any],
) -> Data:
    """Return data of interactions (user, item, time, type) and columns; IDs are i0, u0, a0 ..."""
    rows = [max(row, default=-1) + 1 for row in zip(*[each[:2] for each in events], strict=True)]
    count = {"u": rows[0] if rows else 0, "i": rows[1] if rows else 0, "a": 0}
    tables, id_lists = {}, {}
    for key, columns in (("i", items), ("u", users), ("a", actions)):
        size = max([count[key], *(len(values) for values in columns.values())])
        id_lists[key] = [f"{key}{n}" for n in range(size)]
        name = {"i": "ITEM_ID", "u": "USER_ID", "a": "ACTION_ID"}[key]
        tables[key] = pa.table({name: pa.array(id_lists[key], pa.string()), **columns})
    return Data(
        user_ids=id_lists["u"],
        item_ids=id_lists["i"],
        action_ids=id_lists["a"],
        user_codes=np.array([each[0] for each in events], np.int32),
        item_codes=np.array([each[1] for each in events], np.int32),
        timestamps=np.array([each[2] for each in events], np.int64),
        event_types=pa.array([each[3] for each in events], pa.string()).dictionary_encode(),
        item_columns={},
        item_table=tables["i"],
        user_table=tables["u"],
        action_table=tables["a"],
    )


def compile_filter(name: str, expression: str, data: Data) -> Filter:
    """Return the filter that an expression means for these data sets."""
    return compile_filters({name: expression}, data)[name]


FILMS = made(
    events=[(0, 0, 1, "Watch"), (0, 1, 2, "click"), (0, 2, 3, None), (1, 3, 1, "click")],
    items={
        "GENRE": ["Comedy|Drama", "Comedy", "Drama|War", "War", None],
        "YEAR": [1970, 1980, 1990, None, 2010],
        "AS_TEXT": ["1970", "1980", "1990", None, "02010"],
        "PRICE": [1.0, 2.5, float("nan"), 1.0, None],
    },
    users={"AGE": [30, None, 50], "TIER": ["Premium", "Basic|Trial", None]},
    actions={"KIND": ["call", "mail"], "VALUE": [1, 5]},
)


def shown(
    expression: str,
    values: Mapping[str, str] | None = None,
    *,
    user: int | None = None,
    item: int | None = None,
    data: Data = FILMS,
) -> list[int]:
    mask = compile_filter("f", expression, data).mask(values or {}, user=user, item=item)
    return [code for code, may in enumerate(mask.tolist()) if may]
