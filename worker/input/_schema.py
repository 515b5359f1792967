"""The files' schemas -> one; a column that has none is left out, with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import types as kinds

from worker.input._dictionaries import plain_type

_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}  # of any integer of so many bits
_DECIMAL128_DIGITS, _DECIMAL256_DIGITS = 38, 76


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


@dataclass(frozen=True)
class Unified:
    """The columns of all files.

    `schema` has every column that has one type in all files, or one that holds the values of all;
    whether it does depends on the values of the `doubtful` ones. `unusable` are those that nothing
    may use, and why: they have no such type, a file has them twice, or files spell them
    differently. Only the last are in the schema, too.
    """

    schema: pa.Schema
    doubtful: frozenset[str]
    unusable: dict[str, str]


def unify(files: Sequence[FileSchema]) -> Unified:
    """Return the columns of all files; of those that have no rows the types do not count."""
    names = dict.fromkeys(name for each in files for name in each.schema.names)
    fields, doubtful, unusable = [], set[str](), dict[str, str]()
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
            if not all(_always_fits(each, kind) for each in types):
                doubtful.add(name)
        else:
            (one, file), (other, another), *_ = reversed(types.items())
            unusable[name] = f"{another} and {file} disagree on column {name!r}: {other} and {one}"
    different = _spelled_differently(files)
    return Unified(pa.schema(fields), frozenset(doubtful), unusable | different)


def _common_type(types: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return a type that holds the values of all; None when there is none."""
    named = [kind for kind in types if not kinds.is_null(kind)] or list(types)
    if all(kinds.is_integer(kind) for kind in named) and pa.uint64() in named:
        signed = any(kinds.is_signed_integer(kind) for kind in named)
        return pa.decimal128(20, 0) if signed else pa.uint64()
    if any(map(kinds.is_decimal, named)) and all(map(_is_number, named)):
        return pa.float64() if any(map(kinds.is_floating, named)) else _common_decimal(named)
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
    # Arrow would round decimals to floats without a word.
    rounds = any(_decimals(each) - _decimals(kind) for each in named)
    return None if rounds else kind


def _decimals(kind: Any, path: str = "") -> frozenset[str]:
    """Return where a type has decimals, in the structs and lists that it nests."""
    if kinds.is_nested(kind):
        inner = {index: kind.field(index) for index in range(kind.num_fields)}
        named = kinds.is_struct(kind)  # writers call what is in a list "item", "element", "array"
        places = {(each.name if named else index): each.type for index, each in inner.items()}
        return frozenset().union(*(_decimals(places[at], f"{path}.{at}") for at in places))
    return frozenset({path} if kinds.is_decimal(kind) else ())


def _common_decimal(named: Sequence[pa.DataType]) -> pa.DataType | None:
    """Return a decimal that holds all values of integers and decimals; None beyond 76 digits."""
    sizes = [_digits(kind) for kind in named]
    whole, scale = (max(each) for each in zip(*sizes, strict=True))
    if whole + scale <= _DECIMAL128_DIGITS:
        return pa.decimal128(whole + scale, scale)
    return pa.decimal256(whole + scale, scale) if whole + scale <= _DECIMAL256_DIGITS else None


def _digits(kind: Any) -> tuple[int, int]:
    """Return how many digits the numbers of a type have before and after their point."""
    if kinds.is_integer(kind):
        return _INTEGER_DIGITS[kind.bit_width], 0
    return kind.precision - kind.scale, kind.scale


def _always_fits(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether `wanted` holds all values of a type that it is common to. False: in doubt."""
    if kind == wanted or kinds.is_null(kind) or kinds.is_floating(kind):
        return True
    return kinds.is_integer(wanted) or kinds.is_decimal(wanted) or _is_text(wanted)


def _is_number(kind: pa.DataType) -> bool:
    return kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)


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
