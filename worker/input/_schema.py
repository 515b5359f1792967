"""The files' schemas -> one; a column that has none is left out, and who uses it is told why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import types as kinds

from worker.input._plain_types import plain_type


@dataclass(frozen=True)
class FileSchema:
    """A file's columns, in plain types, hive keys left out."""

    file: str
    schema: pa.Schema
    has_rows: bool


def plain_schema(schema: pa.Schema, *, without: Sequence[str]) -> pa.Schema:
    """Return the columns in plain types; a hive key's folder wins over a column of its name."""
    fields = [pa.field(each.name, plain_type(each.type)) for each in schema]
    return pa.schema([field for field in fields if field.name not in without])


def unify(files: Sequence[FileSchema]) -> tuple[pa.Schema, dict[str, str]]:
    """Return every column that has one type in all files, or one that holds the values of all.

    Also the columns that nothing may use, and why: those that have no such type, that a file has
    twice, or that files spell differently. Only the last are in the schema.
    """
    names = dict.fromkeys(name for each in files for name in each.schema.names)
    fields, unusable = [], dict[str, str]()
    for name in names:
        having = [each for each in files if name in each.schema.names]
        if twice := [each.file for each in having if each.schema.names.count(name) > 1]:
            unusable[name] = f"{twice[0]} has more than one column {name!r}"
            continue
        voting = [each for each in having if each.has_rows] or having
        types = {each.schema.field(name).type: each.file for each in reversed(voting)}
        kind = _common_type(list(types))
        if kind is not None:
            fields.append(pa.field(name, kind))
        else:
            (one, file), (other, another), *_ = reversed(types.items())
            unusable[name] = f"{another} and {file} disagree on column {name!r}: {other} and {one}"
    return pa.schema(fields), unusable | _spelled_differently(files)


def _common_type(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return a type that holds the values of all; None when there is none."""
    named = [kind for kind in types if not kinds.is_null(kind)] or list(types)
    if all(kinds.is_integer(kind) for kind in named) and pa.uint64() in named:
        signed = any(kinds.is_signed_integer(kind) for kind in named)
        return pa.decimal128(20, 0) if signed else pa.uint64()
    if all(kinds.is_integer(kind) or _is_text(kind) for kind in named):
        texts = [kind for kind in named if _is_text(kind)]
        if texts and len(texts) < len(named):
            return pa.large_string() if pa.large_string() in texts else pa.string()
    try:
        fields = [pa.schema([pa.field("", kind)]) for kind in named]
        unified = pa.unify_schemas(fields, promote_options="permissive")
    except pa.ArrowException:
        return None
    kind: pa.DataType = unified.field(0).type
    return kind


def _is_text(kind: pa.DataType) -> bool:
    return kinds.is_string(kind) or kinds.is_large_string(kind)


def _spelled_differently(files: Sequence[FileSchema]) -> dict[str, str]:
    """Return columns that a file lacks where it has one of the same letters, but for their case."""
    found = dict[str, str]()
    spellings: dict[str, dict[str, str]] = {}
    for each in files:
        for name in each.schema.names if each.has_rows else ():
            spellings.setdefault(name.casefold(), {}).setdefault(name, each.file)
    for spelled in (each for each in spellings.values() if len(each) > 1):
        for each in files:
            had = [name for name in spelled if name in each.schema.names]
            for name in spelled:
                if had and name not in had:
                    found[name] = f"{each.file} has {had[0]!r} where {spelled[name]} has {name!r}"
    return found
