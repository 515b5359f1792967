"""How many bytes rows have, and cuts between rows by them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

_OFFSET_BYTES = 4
_BYTE_BITS = 8


def cut(sizes: Iterable[int], most: int) -> Iterator[tuple[int, int]]:
    """Yield (begin, end) of consecutive rows: together they have `most` bytes or are one row."""
    begin = end = held = 0
    for size in sizes:
        if held + size > most and end > begin:
            yield begin, end
            begin, held = end, 0
        end += 1
        held += size
    if end > begin:
        yield begin, end


def rows_bytes(rows: pa.RecordBatch) -> list[int]:
    """Return how many bytes each row has, all of its columns together."""
    sizes: Any = pa.repeat(pa.scalar(0, pa.int64()), rows.num_rows)
    for column in rows.columns:
        sizes = pc.add(sizes, value_bytes(column))
    listed: list[int] = sizes.to_pylist()
    return listed


def value_bytes(array: pa.Array[Any]) -> Any:
    """Return how many bytes each value has, as int64; of what it shares with others its own copy.

    A dictionary's values count as often as they are referred to: that is what they are decoded.
    """
    kind: Any = array.type
    values: Any = array
    if isinstance(values, pa.ExtensionArray):
        return value_bytes(values.storage)
    if kinds.is_dictionary(kind):
        return _filled(value_bytes(values.dictionary).take(values.indices))
    if _is_variable(kind):
        return pc.add(_filled(pc.binary_length(values).cast(pa.int64())), _OFFSET_BYTES)
    if kinds.is_string_view(kind) or kinds.is_binary_view(kind):
        return value_bytes(values.cast(pa.large_binary()))
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_map(kind):
        return _list_bytes(values)
    if kinds.is_fixed_size_list(kind):
        return _fixed_list_bytes(values, kind.list_size)
    if kinds.is_struct(kind):
        sizes = _all(len(values), 1)
        for field in values.flatten():
            sizes = pc.add(sizes, value_bytes(field))
        return sizes
    if kinds.is_primitive(kind) or kinds.is_fixed_size_binary(kind) or kinds.is_decimal(kind):
        return _all(len(values), -(-kind.bit_width // _BYTE_BITS))
    return _all(len(values), -(-values.nbytes // max(1, len(values))))


def _is_variable(kind: pa.DataType) -> bool:
    tests = (kinds.is_string, kinds.is_large_string, kinds.is_binary, kinds.is_large_binary)
    return any(test(kind) for test in tests)


def _list_bytes(lists: Any) -> Any:
    """Return the bytes of each list: those of its values, by where they begin and end."""
    inner = lists.values
    if isinstance(inner, pa.StructArray) and kinds.is_map(lists.type):
        before = _before(pc.add(value_bytes(lists.keys), value_bytes(lists.items)))
    else:
        before = _before(value_bytes(inner))
    offsets = lists.offsets
    sizes = pc.subtract(before.take(offsets[1:]), before.take(offsets[:-1]))
    return pc.add(sizes, _OFFSET_BYTES)


def _fixed_list_bytes(lists: Any, length: int) -> Any:
    before = _before(value_bytes(lists.values))
    bounds = pa.array(
        range(lists.offset * length, (lists.offset + len(lists)) * length + 1, length or 1)
        if length
        else [0] * (len(lists) + 1),
        pa.int64(),
    )
    return pc.subtract(before.take(bounds[1:]), before.take(bounds[:-1]))


def _before(sizes: Any) -> Any:
    """Return how many bytes come before each value, and before the end."""
    return pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(sizes)])


def _filled(sizes: Any) -> Any:
    return pc.fill_null(sizes, 0)


def _all(length: int, size: int) -> Any:
    return pa.repeat(pa.scalar(size, pa.int64()), length)
