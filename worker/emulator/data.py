"""The data sets in memory: interactions as integer codes, items as columns, actions as IDs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.errors import EmulatorError
from worker.emulator.settings import EmulatorSettings
from worker.emulator.synthetic import ACTIONS, synthetic_tables
from worker.emulator.tables import column, id_column, read_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The data sets as the emulator trains on them.

    `user_codes[n]` and `item_codes[n]` are the positions of interaction n's user and item in
    `user_ids` and `item_ids`; `timestamps[n]` is its time as the file gives it. Both ID lists are
    sorted and unique, so nothing depends on the order of the file. `item_ids` is the catalogue:
    all items of the items data set and of the interactions.
    """

    user_ids: list[str]
    item_ids: list[str]
    action_ids: list[str]
    user_codes: npt.NDArray[np.int32]
    item_codes: npt.NDArray[np.int32]
    timestamps: npt.NDArray[np.int64]
    item_columns: dict[str, pa.Array[Any]]  # metadata as strings, aligned with item_ids

    def only(self, keep: npt.NDArray[np.bool_]) -> Data:
        """Return the same data sets with the interactions where `keep` is true."""
        return replace(
            self,
            user_codes=self.user_codes[keep],
            item_codes=self.item_codes[keep],
            timestamps=self.timestamps[keep],
        )


def load(settings: EmulatorSettings) -> Data:
    """Read the data sets that the settings name, or make some up from the seed.

    Raises EmulatorError when a file or a column of it cannot be used.
    """
    path = settings.interactions or _MADE_UP
    interactions, items = _tables(settings)
    users_of = id_column(interactions, "USER_ID", path=path, what="interactions")
    items_of = id_column(interactions, "ITEM_ID", path=path, what="interactions")
    users = _sorted_unique(users_of)
    catalogue = items_of
    if items is not None:
        item_ids = id_column(items, "ITEM_ID", path=settings.items or _MADE_UP, what="items")
        catalogue = pa.chunked_array([*items_of.chunks, *item_ids.chunks])
    catalogue = _sorted_unique(catalogue)
    columns: dict[str, pa.Array[Any]] = {}
    if items is not None:
        columns = _item_columns(items, _codes(item_ids, catalogue), len(catalogue), settings)
    return Data(
        user_ids=users.to_pylist(),
        item_ids=catalogue.to_pylist(),
        action_ids=_actions(settings),
        user_codes=_codes(users_of, users),
        item_codes=_codes(items_of, catalogue),
        timestamps=_timestamps(interactions, path=path),
        item_columns=columns,
    )


_MADE_UP: Final = "(made up)"  # stands for the path in messages that nobody should ever see


def _tables(settings: EmulatorSettings) -> tuple[pa.Table, pa.Table | None]:
    """Return interactions and items."""
    if settings.users is not None:
        # Checked, so that a wrong file is found out now; no answer depends on users' metadata yet.
        users = read_table(Path(settings.users), what="users")
        id_column(users, "USER_ID", path=settings.users, what="users")
    if settings.interactions is None:
        return synthetic_tables(seed=settings.seed)
    interactions = read_table(Path(settings.interactions), what="interactions")
    if settings.items is None:
        return interactions, None
    return interactions, read_table(Path(settings.items), what="items")


# Arrow's stubs don't follow IDs through these functions, hence Any.
def _sorted_unique(ids: Any) -> Any:
    unique: Any = pc.unique(ids)
    return unique.take(pc.sort_indices(unique))


def _codes(ids: Any, among: Any) -> npt.NDArray[np.int32]:
    codes: npt.NDArray[np.int32] = pc.index_in(ids, value_set=among).to_numpy()
    return codes.astype(np.int32)


def _timestamps(table: pa.Table, *, path: str) -> npt.NDArray[np.int64]:
    values = column(table, "TIMESTAMP", path=path, what="interactions")
    try:
        times = values.cast(pa.int64())
    except pa.ArrowException as error:
        raise EmulatorError(
            f"column TIMESTAMP of the interactions data set {path} has type {values.type} and does "
            f"not convert to whole numbers: {str(error).splitlines()[0]}",
            hint="give Unix time in seconds, as the service's schema for interactions wants it",
        ) from error
    if times.null_count:
        raise EmulatorError(
            f"column TIMESTAMP of the interactions data set {path} has {times.null_count} nulls",
            hint="drop such rows; every interaction needs its time",
        )
    return times.to_numpy()


def _actions(settings: EmulatorSettings) -> list[str]:
    if settings.actions is None:
        return list(ACTIONS)
    table = read_table(Path(settings.actions), what="actions")
    ids = id_column(table, "ACTION_ID", path=settings.actions, what="actions")
    unique: list[str] = _sorted_unique(ids).to_pylist()
    return unique


def _item_columns(
    items: pa.Table, codes: npt.NDArray[np.int32], size: int, settings: EmulatorSettings
) -> dict[str, pa.Array[Any]]:
    """Return the metadata columns as strings in catalogue order, null where there is no value.

    `codes` tells each row's item, `size` how many the catalogue has. An item that the file has
    twice keeps its last row, as an import that updates it would.
    """
    path = settings.items or _MADE_UP
    last_row = np.full(size, -1, dtype=np.int64)
    np.maximum.at(last_row, codes, np.arange(len(codes)))
    rows: Any = pa.array(last_row, mask=last_row < 0)
    columns = {}
    for name in items.column_names:
        if name.upper() == "ITEM_ID":
            continue
        values = column(items, name, path=path, what="items")
        if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
            raise EmulatorError(
                f"column {name} of the items data set {path} has type {values.type}",
                hint="make it text; several values of one cell are joined with '|' in the "
                "service's schema",
            )
        columns[name] = _as_text(values).take(rows)
    return columns


_VALUE_LENGTH_MAX: Final = 20_000  # characters: shape ColumnValue of botocore's model


def _as_text(values: Any) -> Any:
    if isinstance(values.type, pa.DictionaryType):
        values = values.cast(values.type.value_type)
    text: Any = pc.utf8_slice_codeunits(values.cast(pa.string()), 0, _VALUE_LENGTH_MAX)
    return text.combine_chunks()
