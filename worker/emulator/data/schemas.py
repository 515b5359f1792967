"""A data set's Avro schema, as the service's CreateSchema takes it: which type each column has.

Source: developer guide, "Creating schema JSON files for Amazon Personalize schemas": flat records
of float, double, int, long, string, boolean and null; the attributes categorical, textual and
itemName. Chosen: a cell that is not of its column's type counts as null, and columns that the
schema lacks are left out; AWS's import job fails, so both are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from worker.emulator.data.findings import Findings
from worker.emulator.data.tables import column, decoded, find_column, is_text
from worker.emulator.errors import EmulatorError

_NULL: Final = "null"
_TYPES: Final[dict[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "double": pa.float64(),
    "float": pa.float64(),  # so that 1.1 stays what was written
    "int": pa.int64(),
    "long": pa.int64(),
    "string": pa.string(),
}
_CELLS: Final = {  # what text may look like to be of a type
    "boolean": r"^(true|false)$",
    "double": r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$",
    "int": r"^\s*-?\d{1,18}\s*$",
}
_LIKE: Final = {"float": "double", "long": "int"}
_SHOWN_MAX: Final = 30  # characters of an example


@dataclass(frozen=True, slots=True)
class Column:
    """One field: its Avro type, and whether cells may be null."""

    name: str
    avro: str
    nullable: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema's fields; `textual` and `title` are names in upper case."""

    columns: tuple[Column, ...] = ()
    textual: frozenset[str] = field(default_factory=frozenset)
    title: str | None = None  # the field with itemName


def read_schema(path: str | None, *, what: str) -> Schema | None:
    """Return the schema in a JSON file, None without one. Raises EmulatorError when it is none."""
    if path is None:
        return None
    try:
        parsed = orjson.loads(Path(path).read_bytes())
    except OSError as error:
        raise _unusable(path, what, error.strerror or str(error)) from error
    except orjson.JSONDecodeError as error:
        raise _unusable(path, what, f"it is not JSON: {error}") from error
    fields = parsed.get("fields") if isinstance(parsed, dict) else None
    if not isinstance(fields, list) or not fields or parsed.get("type") != "record":
        raise _unusable(path, what, 'it is no record with "fields"')
    columns = tuple(_column(each, path, what) for each in fields)
    upper = {each.name.upper(): each for each in columns}
    if len(upper) < len(columns):
        raise _unusable(path, what, "two of its fields have one name")
    marked = [each for each in fields if each.get("textual") is True]
    titles = [each["name"].upper() for each in fields if each.get("itemName") is True]
    return Schema(
        columns, frozenset(each["name"].upper() for each in marked), titles[0] if titles else None
    )


def _column(given: Any, path: str, what: str) -> Column:
    name = given.get("name") if isinstance(given, dict) else None
    if not isinstance(name, str) or not name:
        raise _unusable(path, what, f"a field has no name: {str(given)[:_SHOWN_MAX]}")
    kinds = given.get("type")
    listed = kinds if isinstance(kinds, list) else [kinds]
    plain = [each.get("type") if isinstance(each, Mapping) else each for each in listed]
    types = [each for each in plain if each != _NULL]
    if len(types) != 1 or not isinstance(types[0], str) or types[0] not in _TYPES:
        known = ", ".join(_TYPES)
        raise _unusable(
            path, what, f"field {name} has the type {kinds}; there are {known}, each with null too"
        )
    return Column(name, types[0], _NULL in plain)


def _unusable(path: str, what: str, why: str) -> EmulatorError:
    return EmulatorError(
        f"the schema {path} of the {what} data set cannot be used: {why}",
        hint=f"set emulator.schemas.{what} to an Avro schema as CreateSchema takes it: "
        '{"type": "record", "fields": [{"name": "ITEM_ID", "type": "string"}, ...]}',
    )


def typed(
    table: pa.Table, schema: Schema | None, *, path: str, what: str, findings: Findings
) -> pa.Table:
    """Return a table's columns as its schema has them. Raises EmulatorError when one is missing."""
    if schema is None:
        return table
    columns: dict[str, Any] = {}
    for each in schema.columns:
        spelling = find_column(table, each.name)
        if spelling is None:
            raise EmulatorError(
                f"the {what} data set {path} has no column {each.name}, which its schema has; "
                f"it has: {', '.join(table.column_names)}",
                hint=f"drop the field from the schema, or add the column; is emulator.schemas."
                f"{what} the schema of this data set?",
            )
        values: Any = column(table, spelling, path=path, what=what)
        columns[spelling] = _cast(decoded(values), each, path=path, what=what, findings=findings)
    others = [name for name in table.column_names if name not in columns]
    if others:
        findings.add(
            f"the {what} data set {path} has columns that its schema lacks, which are left out: "
            f"{', '.join(others)}",
            "add them to the schema, or drop them",
        )
    return pa.table(columns)


def _cast(values: Any, wanted: Column, *, path: str, what: str, findings: Findings) -> Any:
    where = f"column {wanted.name} of the {what} data set {path}"
    kind = _TYPES[wanted.avro]
    cells = values
    pattern = _CELLS.get(_LIKE.get(wanted.avro, wanted.avro))
    if is_text(values.type) and pattern is not None:
        fits: Any = pc.match_substring_regex(values, pattern)
        others: Any = values.filter(pc.invert(fits))
        if len(others):
            findings.add(
                f"{where} has {len(others)} cells that are no {wanted.avro}, such as "
                f"{others.drop_null()[0].as_py()[:_SHOWN_MAX]!r}, and count as null",
                f"make {wanted.name} a string in the schema, or correct the cells",
            )
        cells = pc.if_else(fits, pc.utf8_trim_whitespace(values), None)
    try:
        cells = cells.cast(kind)
    except pa.ArrowException as error:
        raise EmulatorError(
            f"{where} has type {values.type}, and its schema says {wanted.avro}: "
            f"{str(error).splitlines()[0]}",
            hint=f"correct the type of {wanted.name} in the schema, or cast the column",
        ) from error
    if values.null_count and not wanted.nullable:
        findings.add(
            f"{where} has {values.null_count} cells without a value, and its schema has no null "
            "for it",
            f'give {wanted.name} the type ["null", "{wanted.avro}"], or fill the cells',
        )
    return cells
