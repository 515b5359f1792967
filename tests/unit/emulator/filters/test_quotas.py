"""How many fields all filters of a dataset group may have together."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.emulator import Emulated

from worker.emulator.errors import EmulatorError

FIELDS = [f"F{number}" for number in range(21)]


def with_filters(folder: Path, fields: list[str]) -> Emulated:
    interactions = pa.table({"USER_ID": ["u"], "ITEM_ID": ["i"], "TIMESTAMP": [1]})
    items = pa.table({"ITEM_ID": ["i"], **{field: ["x"] for field in FIELDS}})
    filters = {field: f'INCLUDE ItemID WHERE Items.{field} IN ("x")' for field in fields}
    return Emulated(folder, filters=filters, interactions=interactions, items=items)


def test_all_filters_together_go_by_20_fields(tmp_path: Path) -> None:
    with_filters(tmp_path, FIELDS[:20])
    with pytest.raises(EmulatorError, match="21 distinct fields") as caught:
        with_filters(tmp_path, FIELDS)
    assert "20" in caught.value.hint
