"""The data sets in memory: interactions as integer codes; items, users, actions as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.coded import Coded, coded_columns
from worker.emulator.data.findings import Findings
from worker.emulator.data.rules import check_data, check_times
from worker.emulator.data.sources import MADE_UP, Sources, read_sources
from worker.emulator.data.tables import (
    column,
    decoded,
    find_column,
    has_text,
    id_column,
    in_seconds,
)
from worker.emulator.errors import EmulatorError
from worker.emulator.settings import EmulatorSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLog:
    """Who did what with which item, or action, and when: four columns of the same length.

    Codes are positions in lists of IDs; types are null where there are none.
    """

    user_codes: npt.NDArray[np.int32]
    codes: npt.NDArray[np.int32]
    timestamps: npt.NDArray[np.int64]
    types: pa.DictionaryArray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """The data sets as the emulator trains on them.

    `user_codes[n]` and `item_codes[n]` are the positions of interaction n's user and item in
    `user_ids` and `item_ids`; `timestamps[n]` is its time, as the file gives it or, of a column of
    Arrow's timestamps, in Unix seconds; `event_types[n]` is its type, null where the file has none.
    All ID lists are sorted and unique, so nothing depends on the order of the file. `item_ids` is
    the catalogue: all items of the items data set and of the interactions; `user_ids` likewise, so
    a user may have no interactions. `actions_done` are the action interactions, None without that
    data set; those with actions that the actions data set lacks are left out.

    A table has one row per ID, in the order of the IDs: first the ID under the schema's name
    (ITEM_ID, USER_ID, ACTION_ID), then the metadata columns under the file's names and with its
    types, null where the data set has no row or no value. `textual` are the names of item columns,
    in upper case, that the schema calls textual, `title` is the one that it calls the item's name.
    """

    user_ids: list[str]
    item_ids: list[str]
    action_ids: list[str]
    user_codes: npt.NDArray[np.int32]
    item_codes: npt.NDArray[np.int32]
    timestamps: npt.NDArray[np.int64]
    event_types: pa.DictionaryArray[Any, Any]
    item_columns: dict[str, pa.Array[Any]]  # metadata as strings, aligned with item_ids
    item_table: pa.Table
    user_table: pa.Table
    action_table: pa.Table
    interaction_columns: Mapping[str, Coded] = field(default_factory=dict)  # by upper-case name
    actions_done: EventLog | None = None
    textual: frozenset[str] = frozenset()
    title: str | None = None

    @property
    def events(self) -> EventLog:
        """The interactions as a log."""
        return EventLog(
            user_codes=self.user_codes,
            codes=self.item_codes,
            timestamps=self.timestamps,
            types=self.event_types,
        )

    def only(self, keep: npt.NDArray[np.bool_]) -> Data:
        """Return the same data sets with the interactions where `keep` is true."""
        return replace(
            self,
            user_codes=self.user_codes[keep],
            item_codes=self.item_codes[keep],
            timestamps=self.timestamps[keep],
            event_types=self.event_types.filter(pa.array(keep)),
            interaction_columns={
                name: coded.only(keep) for name, coded in self.interaction_columns.items()
            },
        )


def load(settings: EmulatorSettings) -> Data:
    """Read the data sets that the settings name, or make some up from the seed.

    Warns of what the service would refuse. Raises EmulatorError when a file or a column of it
    cannot be used, or with `strict` for what the service would refuse.
    """
    findings = Findings()
    sources = read_sources(settings, findings)
    data = _data(sources, settings, findings)
    check_data(sources, settings, findings)
    findings.close(strict=settings.strict)
    return data


def _data(sources: Sources, settings: EmulatorSettings, findings: Findings) -> Data:
    path = settings.interactions or MADE_UP
    interactions, done = sources.interactions, sources.action_interactions
    done_path = settings.action_interactions or MADE_UP
    users_of = id_column(interactions, "USER_ID", path=path, what="interactions")
    items_of = id_column(interactions, "ITEM_ID", path=path, what="interactions")
    everybody = users_of
    if done is not None:
        doers = id_column(done, "USER_ID", path=done_path, what="action_interactions")
        everybody = _joined(users_of, doers)
    user_table = _aligned(sources.users, "USER_ID", everybody, path=settings.users, what="users")
    item_table = _aligned(sources.items, "ITEM_ID", items_of, path=settings.items, what="items")
    action_table = _aligned(
        sources.actions, "ACTION_ID", None, path=settings.actions, what="actions"
    )
    user_ids, item_ids = user_table.column("USER_ID"), item_table.column("ITEM_ID")
    action_ids, schema = action_table.column("ACTION_ID"), sources.schemas.get("items")
    return Data(
        user_ids=user_ids.to_pylist(),
        item_ids=item_ids.to_pylist(),
        action_ids=action_ids.to_pylist(),
        user_codes=_codes(users_of, user_ids),
        item_codes=_codes(items_of, item_ids),
        timestamps=_timestamps(interactions, path=path, what="interactions", findings=findings),
        event_types=_event_types(interactions, path=path, what="interactions"),
        item_columns=_item_columns(item_table, path=settings.items or MADE_UP),
        item_table=item_table,
        user_table=user_table,
        action_table=action_table,
        interaction_columns=coded_columns(interactions),
        actions_done=None
        if done is None
        else _done(done, user_ids, action_ids, path=done_path, findings=findings),
        textual=schema.textual if schema else frozenset(),
        title=schema.title if schema else None,
    )


def _done(
    table: pa.Table, user_ids: Any, action_ids: Any, *, path: str, findings: Findings
) -> EventLog:
    """Return the action interactions whose actions there are."""
    what = "action_interactions"
    actions_of: Any = id_column(table, "ACTION_ID", path=path, what=what)
    column(table, "EVENT_TYPE", path=path, what=what)  # here it must be there
    known: Any = pc.is_in(actions_of, value_set=action_ids)
    keep = known.to_numpy().astype(bool)
    types: Any = _event_types(table, path=path, what=what)
    users_of = id_column(table, "USER_ID", path=path, what=what)
    times = _timestamps(table, path=path, what=what, findings=findings)
    return EventLog(
        user_codes=_codes(users_of, user_ids)[keep],
        codes=_codes(actions_of.filter(known), action_ids),
        timestamps=times[keep],
        types=types.filter(pa.array(keep)),
    )


def _joined(one: Any, other: Any) -> Any:
    return pa.chunked_array([*one.chunks, *other.chunks])


def _aligned(table: pa.Table | None, key: str, more: Any, *, path: str | None, what: str) -> Any:
    """Return a metadata table with one row per ID of its own or of `more`, sorted by ID.

    An ID that the file has twice keeps its last row, as an import that updates it would.
    """
    path = path or MADE_UP
    if table is None:
        return pa.table({key: _sorted_unique(more).cast(pa.string())})
    own = id_column(table, key, path=path, what=what)
    ids = _sorted_unique(own if more is None else _joined(own, more))
    codes = _codes(own, ids)
    last_row = np.full(len(ids), -1, dtype=np.int64)
    np.maximum.at(last_row, codes, np.arange(len(codes)))
    rows: Any = pa.array(last_row, mask=last_row < 0)
    columns = {key: ids}
    for name in table.column_names:
        values: Any = column(table, name, path=path, what=what)
        if name.upper() != key:
            columns[name] = values.take(rows)
    return pa.table(columns)


# Arrow's stubs don't follow IDs through these functions, hence Any.
def _sorted_unique(ids: Any) -> Any:
    unique: Any = pc.unique(ids)
    return unique.take(pc.sort_indices(unique))


def _codes(ids: Any, among: Any) -> npt.NDArray[np.int32]:
    codes: npt.NDArray[np.int32] = pc.index_in(ids, value_set=among).to_numpy()
    return codes.astype(np.int32)


def _timestamps(
    table: pa.Table, *, path: str, what: str, findings: Findings
) -> npt.NDArray[np.int64]:
    values = column(table, "TIMESTAMP", path=path, what=what)
    try:
        times: pa.ChunkedArray[Any] = in_seconds(values).cast(pa.int64())
    except pa.ArrowException as error:
        raise EmulatorError(
            f"column TIMESTAMP of the {what} data set {path} has type {values.type} and does "
            f"not convert to whole numbers: {str(error).splitlines()[0]}",
            hint=f"give Unix time in seconds, as the service's schema for {what} wants it",
        ) from error
    if times.null_count:
        raise EmulatorError(
            f"column TIMESTAMP of the {what} data set {path} has {times.null_count} nulls",
            hint="drop such rows; every interaction needs its time",
        )
    check_times(times, "TIMESTAMP", path=path, what=what, findings=findings)
    return times.to_numpy()


def _event_types(table: pa.Table, *, path: str, what: str) -> Any:
    """Return each interaction's event type, dictionary-encoded; all null without the column."""
    if find_column(table, "EVENT_TYPE") is None:
        return pa.nulls(table.num_rows, pa.string()).dictionary_encode()
    values: Any = column(table, "EVENT_TYPE", path=path, what=what)
    _refuse_cells_of_no_text(values, "EVENT_TYPE", path=path, what=what)
    return decoded(values).cast(pa.string()).combine_chunks().dictionary_encode()


def _item_columns(items: pa.Table, *, path: str) -> dict[str, pa.Array[Any]]:
    """Return the metadata columns as strings, null where there is no value."""
    columns = {}
    for name in items.column_names[1:]:
        values: Any = items.column(name)
        _refuse_cells_of_no_text(values, name, path=path, what="items")
        columns[name] = _as_text(values)
    return columns


def _refuse_cells_of_no_text(values: Any, name: str, *, path: str, what: str) -> None:
    if not has_text(decoded(values).type):
        raise EmulatorError(
            f"column {name} of the {what} data set {path} has type {values.type}",
            hint="make it text; several values of one cell are joined with '|' in the "
            "service's schema",
        )


_VALUE_LENGTH_MAX: Final = 20_000  # characters: shape ColumnValue of botocore's model


def _as_text(values: Any) -> Any:
    text: Any = pc.utf8_slice_codeunits(decoded(values).cast(pa.string()), 0, _VALUE_LENGTH_MAX)
    return text.combine_chunks()
