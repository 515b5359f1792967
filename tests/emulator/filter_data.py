"""Small data sets for the tests of filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from worker.emulator.data import Data


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
