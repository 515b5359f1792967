"""Arrow arrays in plain types: dictionaries and views decoded. Later steps see few types."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same values without dictionary encoding or string views."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(plain_type(kind.value_type))
    return kind


def plain(array: pa.Array[Any]) -> pa.Array[Any]:
    """Return `array` in its plain type; the same array when it is plain already."""
    return array.cast(plain_type(array.type))
