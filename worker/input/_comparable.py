"""Values of several types -> values of one type that compare as SQL compares them.

The rules are DuckDB's: whole numbers and decimals are compared exactly, both with a float as a
float of its width, dates with timestamps as timestamps. Nothing else is compared across kinds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as kinds

from worker.input.condition import Column, Constant, Kind, Operand

_DECIMAL128_DIGITS = 38
_DECIMAL256_DIGITS = 76
_INT64_DIGITS_ALWAYS = 18  # so many nines fit in 64 bits
_DAY_S = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NANOSECONDS = pa.decimal128(38, 0)
_NAMES = {
    Kind.WHOLE: "a number",
    Kind.DECIMAL: "a number",
    Kind.SINGLE: "a number",
    Kind.DOUBLE: "a number",
    Kind.TEXT: "text",
    Kind.TRUTH: "TRUE or FALSE",
    Kind.DAY: "a DATE",
    Kind.LOCAL_TIME: "a TIMESTAMP without a time zone",
    Kind.INSTANT: "a timestamp with a time zone (write TIMESTAMPTZ '2026-11-21 05:30:00+00:00')",
    Kind.NOTHING: "null",
}

Value = Any  # an array or a scalar: stubs choose kernels by types that only rows have


class UnlikeError(ValueError):
    """Raised where values cannot be compared; its text says why."""


def comparable(operands: Sequence[Operand], rows: pa.RecordBatch) -> list[Value] | None:
    """Return the operands' values in one type: scalars of constants, arrays of columns.

    None when all are columns of nulls only, which compare to null. Raises UnlikeError.
    """
    values = [each if isinstance(each, Constant) else rows.column(each.name) for each in operands]
    found = [
        each.kind if isinstance(each, Constant) else _kind(each.type, operand)
        for each, operand in zip(values, operands, strict=True)
    ]
    are_null = [kind is Kind.NOTHING for kind in found]
    if all(are_null):
        return None
    some = [value for value, is_null in zip(values, are_null, strict=True) if not is_null]
    alike = _alike(some, {*found} - {Kind.NOTHING})
    nulls, made = pa.nulls(rows.num_rows, alike[0].type), iter(alike)
    return [nulls if is_null else next(made) for is_null in are_null]


def _alike(values: Sequence[Any], found: set[Kind]) -> list[Value]:
    if max(found) <= Kind.DECIMAL:
        return _exact(values)
    if max(found) <= Kind.DOUBLE:
        kind = pa.float64() if Kind.DOUBLE in found else pa.float32()
        return [_float(each, kind) for each in values]
    if found <= {Kind.DAY, Kind.LOCAL_TIME} or found == {Kind.INSTANT}:
        return _moments(values)
    if found == {Kind.TEXT}:
        return [_text(each) for each in values]
    if found == {Kind.TRUTH}:
        return [pa.scalar(e.value) if isinstance(e, Constant) else e for e in values]
    raise UnlikeError(f"it compares {' with '.join(sorted({_NAMES[kind] for kind in found}))}")


def require_kind(column: Column, rows: pa.RecordBatch, kind: Kind) -> bool:
    """Return whether the column has values at all; raise UnlikeError when they are no `kind`."""
    found = _kind(rows.column(column.name).type, column)
    if found not in (kind, Kind.NOTHING):
        raise UnlikeError(f"column {column.name!r} is {_NAMES[found]}, not {_NAMES[kind]}")
    return found == kind


def _kind(kind: pa.DataType, operand: Operand) -> Kind:
    for is_a, found in (
        (kinds.is_integer, Kind.WHOLE),
        (kinds.is_decimal, Kind.DECIMAL),
        (kinds.is_float64, Kind.DOUBLE),
        (kinds.is_floating, Kind.SINGLE),
        (kinds.is_string, Kind.TEXT),
        (kinds.is_large_string, Kind.TEXT),
        (kinds.is_boolean, Kind.TRUTH),
        (kinds.is_date, Kind.DAY),
        (kinds.is_null, Kind.NOTHING),
    ):
        if is_a(kind):
            return found
    if isinstance(kind, pa.TimestampType):
        return Kind.LOCAL_TIME if kind.tz is None else Kind.INSTANT
    name = operand.name if isinstance(operand, Column) else ""
    raise UnlikeError(f"column {name!r} has type {kind}, which can only be IS NULL or IS NOT NULL")


def _exact(values: Sequence[Any]) -> list[Value]:
    """Return whole numbers and decimals in a type that holds all of them exactly."""
    sizes = [_digits(each) for each in values]
    whole, scale = (max(each) for each in zip(*sizes, strict=True))
    if scale == 0 and all(_is_int64(each) for each in values):
        kind: pa.DataType = pa.int64()
    elif whole + scale <= _DECIMAL128_DIGITS:
        kind = pa.decimal128(whole + scale, scale)
    elif whole + scale <= _DECIMAL256_DIGITS:
        kind = pa.decimal256(whole + scale, scale)
    else:
        raise UnlikeError(f"it compares numbers of {whole} digits with numbers of {scale} decimals")
    return [
        _constant(each.value, kind) if isinstance(each, Constant) else each.cast(kind)
        for each in values
    ]


def _constant(value: Any, kind: pa.DataType) -> pa.Scalar[Any]:
    return pa.scalar(value if kind == pa.int64() else Decimal(value), kind)


def _is_int64(value: Any) -> bool:
    if isinstance(value, Constant):
        return isinstance(value.value, int) and -(1 << 63) <= value.value < 1 << 63
    return kinds.is_integer(value.type) and value.type != pa.uint64()


def _digits(value: Any) -> tuple[int, int]:
    """Return how many digits before and after its point a number, or any of a column, may have."""
    if isinstance(value, Constant):
        _, digits, exponent = Decimal(value.value).as_tuple()
        after = -int(exponent)
        return max(1, len(digits) - after), max(0, after)
    if isinstance(value.type, pa.Decimal128Type | pa.Decimal256Type) or kinds.is_decimal(
        value.type
    ):
        return max(1, value.type.precision - value.type.scale), max(0, value.type.scale)
    return len(str(1 << value.type.bit_width)), 0


def _float(value: Any, kind: pa.DataType) -> Value:
    if not isinstance(value, Constant):
        if kinds.is_decimal(value.type):  # by its text: the nearest float, always
            return value.cast(pa.string()).cast(kind)
        return value.cast(kind, safe=False)
    if isinstance(value.value, int) and _is_int64(value):
        return pa.scalar(value.value, pa.int64()).cast(kind, safe=False)
    return pa.scalar(float(value.value), pa.float64()).cast(kind, safe=False)


def _text(value: Any) -> Value:
    kind = pa.large_string()
    return pa.scalar(value.value, kind) if isinstance(value, Constant) else value.cast(kind)


def _moments(values: Sequence[Any]) -> list[Value]:
    """Return days and timestamps as numbers of one unit, exactly, however far away they are."""
    per_second = {_per_second(each) for each in values if not isinstance(each, Constant)}
    if len(per_second) == 1:
        (unit,) = per_second
        in_unit = [
            _scaled(each, unit) if isinstance(each, Constant) else _numbers(each) for each in values
        ]
        if all(each is not None for each in in_unit):
            return in_unit
    return [_nanoseconds(each) for each in values]


def _per_second(value: Any) -> int:
    """Return how many units of a value make a second; 0 for days."""
    if isinstance(value, Constant):
        return 0 if value.kind is Kind.DAY else _PER_SECOND["us"]
    return 0 if kinds.is_date(value.type) else _PER_SECOND[value.type.unit]


def _scaled(constant: Constant, per_second: int) -> pa.Scalar[Any] | None:
    """Return the constant in a column's unit; None when it is not a whole number of 64 bits."""
    count, rest = divmod(_constant_ns(constant), _ns_each(per_second))
    fits = rest == 0 and -(1 << 63) <= count < 1 << 63
    return pa.scalar(count, pa.int64()) if fits else None


def _ns_each(per_second: int) -> int:
    return _PER_SECOND["ns"] // per_second if per_second else _DAY_S * _PER_SECOND["ns"]


def _constant_ns(constant: Constant) -> int:
    return int(constant.value) * _ns_each(_per_second(constant))


def _numbers(array: pa.Array[Any]) -> pa.Array[Any]:
    if kinds.is_date(array.type):
        array = array.cast(pa.date32()).cast(pa.int32())
    return array.cast(pa.int64())


def _nanoseconds(value: Any) -> Value:
    if isinstance(value, Constant):
        return pa.scalar(Decimal(_constant_ns(value)), _NANOSECONDS)
    each = _ns_each(_per_second(value))
    numbers = _numbers(value).cast(pa.decimal128(19, 0))
    return pc.multiply(numbers, pa.scalar(Decimal(each), pa.decimal128(14, 0))).cast(_NANOSECONDS)
