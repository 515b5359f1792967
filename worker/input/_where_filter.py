"""Which rows a condition selects, and whether a row group may have one: SQL's three values.

Both say what DuckDB says: NaN equals itself and is above all numbers, -0.0 is 0.0, a null makes
a condition null, and a row is selected where the condition is true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from worker.input import condition as sql
from worker.input._comparable import Value, comparable, require_kind

_Outcomes = frozenset[bool | None]
_TRUE_OR_FALSE: _Outcomes = frozenset({True, False})


@dataclass(frozen=True, slots=True)
class Range:
    """What is known of a column's values in a row group."""

    bounds: pa.Array[Any] | None  # two values that all others but NaN lie between; None: unknown
    has_nulls: bool = True  # or may have some
    has_values: bool = True  # or may have some


def selected(where: sql.Where, rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows where the condition is true. Raises UnlikeError on types that do not fit."""
    mask = _mask(where.condition, rows)
    if isinstance(mask, pa.Scalar):
        return rows if mask.as_py() else rows.slice(0, 0)
    return rows.filter(mask)


def may_select(where: sql.Where, ranges: Mapping[str, Range]) -> bool:
    """Return whether rows within `ranges` may be selected; False only where none can be."""
    return True in _outcomes(where.condition, ranges)


def _mask(condition: sql.Condition, rows: pa.RecordBatch) -> Value:
    match condition:
        case sql.And(parts):
            return reduce(pc.and_kleene, [_mask(part, rows) for part in parts])
        case sql.Or(parts):
            return reduce(pc.or_kleene, [_mask(part, rows) for part in parts])
        case sql.Not(inner):
            return pc.invert(_mask(inner, rows))
        case sql.IsNull(column):
            return rows.column(column.name).is_null()
        case sql.IsUnknown(inner):
            return pc.is_null(_mask(inner, rows))
        case sql.Is(inner, value):
            mask = _mask(inner, rows)
            return pc.fill_null(mask if value else pc.invert(mask), pa.scalar(value=False))
        case _:
            return _leaf_mask(condition, rows)


def _leaf_mask(leaf: sql.Leaf, rows: pa.RecordBatch) -> Value:
    match leaf:
        case sql.Always(value):
            return pa.scalar(value)
        case sql.Holds(column):
            has_values = require_kind(column, rows, sql.Kind.TRUTH)
            return rows.column(column.name) if has_values else _nulls(rows)
        case sql.Like(column, pattern):
            if not require_kind(column, rows, sql.Kind.TEXT):
                return _nulls(rows)
            return pc.match_substring_regex(rows.column(column.name), _regex(pattern))
        case sql.In(column, values):
            found = comparable((column, *values), rows)
            return _nulls(rows) if found is None else _is_one_of(found[0], _set(found[1:]))
        case sql.Compare(sign, left, right, among):
            found = comparable((left, right, *among), rows)
            return _nulls(rows) if found is None else _compare(sign, found[0], found[1])


def _nulls(rows: pa.RecordBatch) -> Value:
    return pa.nulls(rows.num_rows, pa.bool_())


def _regex(pattern: str) -> str:
    """Return RE2's way to say a pattern of LIKE."""
    parts = {"%": ".*", "_": "."}
    return rf"\A(?s:{''.join(parts.get(char) or re.escape(char) for char in pattern)})\z"


def _set(values: list[Value]) -> pa.Array[Any]:
    """Return the values of a list; of zero, both: they are one number, but not one float."""
    kind: pa.DataType = values[0].type
    listed = [value.as_py() for value in values]
    if pa.types.is_floating(kind) and 0.0 in listed:
        listed += [0.0, -0.0]
    return pa.array(listed, kind)


def _is_one_of(values: Value, listed: pa.Array[Any]) -> Value:
    found = pc.is_in(values, listed)
    return pc.if_else(pc.is_valid(values), found, pa.scalar(None, pa.bool_()))


def _compare(sign: sql.Sign, left: Value, right: Value) -> Value:
    match sign:
        case "=":
            return _equal(left, right)
        case "<>":
            return pc.invert(_equal(left, right))
        case "<":
            return _less(left, right)
        case ">":
            return _less(right, left)
        case "<=":
            return pc.invert(_less(right, left))
        case ">=":
            return pc.invert(_less(left, right))


def _equal(left: Value, right: Value) -> Value:
    equal = pc.equal(left, right)
    if pa.types.is_floating(left.type):
        both = pc.and_kleene(pc.is_nan(left), pc.is_nan(right))
        equal = pc.or_kleene(equal, both)
    return equal


def _less(left: Value, right: Value) -> Value:
    less = pc.less(left, right)
    if pa.types.is_floating(left.type):
        last = pc.and_kleene(pc.is_nan(right), pc.invert(pc.is_nan(left)))
        less = pc.or_kleene(less, last)
    return less


def _outcomes(condition: sql.Condition, ranges: Mapping[str, Range]) -> _Outcomes:
    """Return all that the condition may be for rows within `ranges`, and perhaps more."""
    match condition:
        case sql.And(parts):
            return reduce(_and, [_outcomes(part, ranges) for part in parts])
        case sql.Or(parts):
            return _not(reduce(_and, [_not(_outcomes(part, ranges)) for part in parts]))
        case sql.Not(inner):
            return _not(_outcomes(inner, ranges))
        case sql.IsNull(column):
            known = ranges[column.name]
            return frozenset({True} if known.has_nulls else ()) | (
                frozenset({False} if known.has_values else ())
            )
        case sql.IsUnknown(inner):
            return frozenset(outcome is None for outcome in _outcomes(inner, ranges))
        case sql.Is(inner, value):
            return frozenset(outcome is value for outcome in _outcomes(inner, ranges))
        case _:
            return _leaf_outcomes(condition, ranges)


def _not(outcomes: _Outcomes) -> _Outcomes:
    return frozenset(None if outcome is None else not outcome for outcome in outcomes)


def _and(some: _Outcomes, others: _Outcomes) -> _Outcomes:
    pairs = ((one, other) for one in some for other in others)
    return frozenset(False if False in pair else None if None in pair else True for pair in pairs)


def _leaf_outcomes(leaf: sql.Leaf, ranges: Mapping[str, Range]) -> _Outcomes:
    columns = sql.columns_of(leaf)
    if columns and isinstance(leaf, sql.Compare) and _is_constant(leaf):
        return _TRUE_OR_FALSE | {None}  # as one of the two that BETWEEN stands for may be
    if not columns:
        return frozenset({_leaf_mask(leaf, _NO_COLUMNS).as_py()})
    if len(columns) > 1:
        return _TRUE_OR_FALSE | {None}
    known = ranges[columns[0]]
    null: _Outcomes = frozenset({None} if known.has_nulls else ())
    if not known.has_values:
        return null
    if known.bounds is None or isinstance(leaf, sql.Like):
        return null | _TRUE_OR_FALSE
    return null | _between(leaf, columns[0], known.bounds)


def _is_constant(leaf: sql.Compare) -> bool:
    return isinstance(leaf.left, sql.Constant) and isinstance(leaf.right, sql.Constant)


def _between(leaf: sql.Leaf, column: str, bounds: pa.Array[Any]) -> _Outcomes:
    """Return what the leaf may be for values between the bounds, and for NaN.

    To compare is monotone, in all types: an order has between the bounds what it has at them. To
    be equal, a constant must lie between them.
    """
    points = bounds
    if pa.types.is_floating(bounds.type):
        points = pa.concat_arrays([bounds, pa.array([float("nan")], bounds.type)])
    rows = pa.RecordBatch.from_arrays([points], [column])
    match leaf:
        case sql.In(of, values):
            found = comparable((of, *values), rows)
            if found is None:
                return _TRUE_OR_FALSE | {None}
            listed, (low, high) = _set(found[1:]), (found[0][0], found[0][1])
            inside = pc.and_(pc.greater_equal(listed, low), pc.less_equal(listed, high))
            return frozenset({False, pc.any(inside).as_py()})
        case sql.Compare(sign, left, right, among) if sign in ("=", "<>"):
            for order in ("<", ">"):
                apart = _leaf_mask(sql.Compare(order, left, right, among), rows)
                if apart.slice(0, 2).to_pylist() == [True, True]:
                    return frozenset({sign == "<>"})
            return _TRUE_OR_FALSE
        case _:
            return frozenset(_leaf_mask(leaf, rows).to_pylist())


_NO_COLUMNS = pa.RecordBatch.from_arrays([], names=[])
