"""Values of columns as the texts that the API takes. Pure.

The rules, for context, filter values and IDs alike:

- Numbers are written without an exponent and without zeros that say nothing: 34.0 is `34`, 1e-7 is
  `0.0000001`, -0.0 is `0`, a decimal 12.50 is `12.5`. A float that is whole is that whole number,
  below 2^53; any other is the shortest text that reads as the same float of its width: `19.99`,
  also in a float32. The longest has some 340 characters.
- NaN is null: it is what pandas makes of a missing number. Infinity cannot be sent.
- Binary is taken for UTF-8. A UUID is written as such; so are 16 bytes whose bits say that they are
  one (RFC 9562: no ASCII text's do).
- JSON: a string is what it says, and so is a number; objects and lists cannot be sent.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal
from typing import Any, NamedTuple
from uuid import UUID

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

LIST_TYPES = (
    pa.ListType,
    pa.LargeListType,
    pa.FixedSizeListType,
    pa.ListViewType,
    pa.LargeListViewType,
)
_EXACT_MAX = 1 << 53
_UUID_BYTES = 16
_UUID_VERSIONS = range(1, 9)
_JSON_SPACE = " \t\r\n"  # RFC 8259: it says nothing around a value
ITEM_MEMBER = "item_id"  # of this program's own lists


class Unfit(NamedTuple):
    """Stands for a value that cannot be sent: what it is."""

    reason: str


Text = str | Unfit | None


def texts(column: pa.Array[Any]) -> Sequence[Text]:
    """Return the text of each value; None for a null."""
    kind = column.type
    if is_string(kind):
        return _strings(column)
    if kinds.is_integer(kind):  # sixteen rows at a time, quicker than a cast
        return _each(str, column.to_pylist())
    if kinds.is_floating(kind):
        return _floats(column)
    if isinstance(kind, pa.JsonType):
        return [_json(text) if isinstance(text, str) else text for text in _stored_texts(column)]
    if isinstance(kind, pa.StructType):
        return texts(pc.struct_field(column, ITEM_MEMBER))
    return _each(_converter(kind), column.to_pylist())


def _converter(kind: pa.DataType) -> Callable[[Any], Text]:
    """Return what makes the text of one value, as Python has it."""
    if kinds.is_boolean(kind):
        return _boolean
    if kinds.is_decimal(kind):
        return _decimal
    if isinstance(kind, pa.FixedSizeBinaryType) and kind.byte_width == _UUID_BYTES:
        return _uuid_or_text
    if _is_binary(kind):
        return _utf8
    if isinstance(kind, pa.UuidType) or kinds.is_null(kind):
        return str
    raise TypeError(f"no text is made of {kind}")


def text_lists(column: pa.Array[Any]) -> list[list[Text] | None]:
    """Return the texts of each list; None for a null."""
    values, end = texts(flattened(column)), 0
    lists: list[list[Text] | None] = []
    for length in pc.list_value_length(column).to_pylist():
        if length is None:
            lists.append(None)
        else:
            lists.append([*values[end : end + length]])
            end += length
    return lists


def flattened(lists: Any) -> pa.Array[Any]:
    """Return the values of all lists, one after the other."""
    flat: pa.Array[Any] = lists.flatten()
    return flat


def text_column(column: pa.Array[Any]) -> pa.Array[Any]:
    """Return `texts` as an Arrow column, with null for what cannot be sent, too."""
    if is_string(column.type) or kinds.is_integer(column.type):
        return column.cast(pa.string())
    made = [text if isinstance(text, str) else None for text in texts(column)]
    return pa.array(made, pa.string())


def is_text(kind: pa.DataType) -> bool:
    """Return whether values are texts, which filter values have in quotes."""
    return is_string(kind) or _is_binary(kind) or isinstance(kind, (pa.UuidType, pa.JsonType))


def is_string(kind: pa.DataType) -> bool:
    """Return whether Arrow calls values strings."""
    return kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)


def _is_binary(kind: pa.DataType) -> bool:
    return (
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_binary_view(kind)
        or kinds.is_fixed_size_binary(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Return whether values are numbers."""
    return kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_decimal(kind)


def _each(convert: Callable[[Any], Text], values: Iterable[Any]) -> list[Text]:
    return [None if value is None else convert(value) for value in values]


def _strings(column: pa.Array[Any]) -> list[Text]:
    """Parquet does not promise that strings are UTF-8."""
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return _each(_utf8, column.cast(pa.large_binary()).to_pylist())


def _utf8(value: bytes) -> Text:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Unfit("is not UTF-8")


def _uuid_or_text(value: bytes) -> Text:
    uuid = UUID(bytes=value)
    return str(uuid) if uuid.version in _UUID_VERSIONS or not uuid.int else _utf8(value)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _floats(column: pa.Array[Any]) -> list[Text]:
    values = column.to_pylist()
    shortest: Sequence[Any]
    if kinds.is_float16(column.type):
        shortest = _each(_shortest_float16, values)
    else:  # Arrow knows the shortest texts of these
        shortest = column.cast(pa.string()).to_pylist()
    return [_float(value, text) for value, text in zip(values, shortest, strict=True)]


def _float(value: float | None, shortest: Any) -> Text:
    if value is None or math.isnan(value):
        return None
    if math.isinf(value):
        return Unfit("is infinite")
    if value.is_integer() and abs(value) < _EXACT_MAX:
        return str(int(value))
    return _decimal(Decimal(shortest))


def _shortest_float16(value: float) -> str:
    """Return the fewest digits, of five at most, that read as this float16 again."""
    if not math.isfinite(value):
        return str(value)
    bits, exact = struct.pack("e", value), Decimal(value)
    for digits in range(1, 6):
        for rounding in (ROUND_HALF_EVEN, ROUND_HALF_UP):  # where two are as near
            text = str(Context(prec=digits, rounding=rounding).create_decimal(exact))
            if _reads_as(text, bits):
                return text
    raise AssertionError(f"five digits are not enough for {value}")


def _reads_as(text: str, float16: bytes) -> bool:
    try:
        return struct.pack("e", float(text)) == float16
    except OverflowError:  # rounded up past the largest
        return False


def _decimal(value: Decimal) -> str:
    text = f"{value:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _stored_texts(column: Any) -> Sequence[Text]:
    return texts(column.storage)  # the stubs know no arrays of extension types


def _json(stored: str) -> Text:
    text = stored.strip(_JSON_SPACE)
    if text[:1] not in ('"', "{", "[", "n"):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if value is None or isinstance(value, str):
        return value
    return Unfit("holds a JSON object or list")
