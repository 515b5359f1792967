"""The tables that the settings name: read, typed by their schemas, each row once; or made up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.files import read_table
from worker.emulator.data.findings import Findings
from worker.emulator.data.schemas import Schema, read_schema, typed
from worker.emulator.data.synthetic import ACTIONS, synthetic_tables
from worker.emulator.data.tables import id_column, unique_rows
from worker.emulator.settings import EmulatorSettings

MADE_UP: Final = "(made up)"
"""Stands for a path in messages that nobody should ever see."""

NAMES: Final = ("interactions", "items", "users", "actions", "action_interactions")
"""The data sets, as the settings call them."""

_OF_EVENTS: Final = ("interactions", "action_interactions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The tables, None for those that are not there, and the schemas that were given, by name.

    Of interactions and action interactions, exact duplicates are left out, as the service counts
    unique events.
    """

    interactions: pa.Table
    items: pa.Table | None
    users: pa.Table | None
    actions: pa.Table
    action_interactions: pa.Table | None
    schemas: dict[str, Schema]
    given: dict[str, tuple[str, pa.Table]]  # path and table of what is not made up


def read_sources(settings: EmulatorSettings, findings: Findings) -> Sources:
    """Return the tables. Raises EmulatorError when a file, or its schema, cannot be used."""
    given: dict[str, tuple[str, pa.Table]] = {}
    schemas: dict[str, Schema] = {}
    for what in NAMES:
        path = getattr(settings, what)
        if path is None:
            continue
        schema = read_schema(getattr(settings.schemas, what), what=what)
        if schema is not None:
            schemas[what] = schema
        read = read_table(Path(path), what=what)
        table = typed(read, schema, path=path, what=what, findings=findings)
        given[what] = (path, unique_rows(table) if what in _OF_EVENTS else table)
    tables = {what: table for what, (_, table) in given.items()}
    if "interactions" not in tables:
        tables["interactions"], tables["items"] = synthetic_tables(seed=settings.seed)
    return Sources(
        interactions=tables["interactions"],
        items=tables.get("items"),
        users=tables.get("users"),
        actions=tables["actions"] if "actions" in tables else _actions(given),
        action_interactions=tables.get("action_interactions"),
        schemas=schemas,
        given=given,
    )


def _actions(given: dict[str, tuple[str, pa.Table]]) -> pa.Table:
    """Return the actions without a data set of them: those of the interactions, or made-up ones."""
    if "action_interactions" not in given:
        return pa.table({"ACTION_ID": list(ACTIONS)})
    path, table = given["action_interactions"]
    ids = id_column(table, "ACTION_ID", path=path, what="action_interactions")
    return pa.table({"ACTION_ID": pc.unique(ids)})
