"""Arrow arrays in plain types: dictionaries and views decoded, at any depth. Later steps see few.

Arrow 26 cannot cast, take or filter views inside structs, maps, lists of a fixed size or views of
lists; such arrays are put together anew here.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types as kinds


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type of the same values without dictionaries, views of text or of lists.

    An extension type stays where what it is stored as is plain already.
    """
    nested: Any = kind
    if isinstance(kind, pa.BaseExtensionType):
        stored = plain_type(kind.storage_type)
        return kind if stored == kind.storage_type else stored
    if isinstance(kind, pa.DictionaryType):
        return plain_type(nested.value_type)
    if kinds.is_string_view(kind):
        return pa.string()
    if kinds.is_binary_view(kind):
        return pa.binary()
    if isinstance(kind, pa.MapType):
        key: Any = _plain_field(nested.key_field)
        item: Any = _plain_field(nested.item_field)
        return _typed(pa.map_(key, item, nested.keys_sorted))
    if isinstance(kind, pa.StructType):
        return pa.struct([_plain_field(field) for field in kind])
    if isinstance(kind, pa.FixedSizeListType):
        return _typed(pa.list_(_plain_field(nested.value_field), nested.list_size))
    if kinds.is_list(kind) or kinds.is_list_view(kind):
        return pa.list_(_plain_field(nested.value_field))
    if kinds.is_large_list(kind) or kinds.is_large_list_view(kind):
        return pa.large_list(_plain_field(nested.value_field))
    return kind


def plain(array: pa.Array[Any]) -> pa.Array[Any]:
    """Return `array` in its plain type; the same array when it is plain already."""
    wanted: Any = plain_type(array.type)
    if array.type == wanted:
        return array
    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    nested: Any = array  # the stubs know no views of lists, and not all arguments
    if isinstance(array, pa.ListViewArray | pa.LargeListViewArray):
        return _of_list_view(nested, wanted)
    nulls = array.is_null() if array.null_count else None
    if isinstance(array, pa.StructArray):
        children = [plain(array.field(index)) for index in range(array.type.num_fields)]
        return pa.StructArray.from_arrays(children, fields=[*wanted], mask=nulls)
    if isinstance(array, pa.MapArray):
        return _of_map(nested, wanted, nulls)
    if isinstance(array, pa.FixedSizeListArray):
        size = nested.type.list_size
        values = nested.values.slice(array.offset * size, len(array) * size)
        return _from_arrays(pa.FixedSizeListArray, plain(values), type=wanted, mask=nulls)
    if isinstance(array, pa.ListArray | pa.LargeListArray):
        offsets, values = _from_zero(nested.offsets, nested.values)
        return _from_arrays(type(array), offsets, plain(values), type=wanted, mask=nulls)
    return array.cast(wanted)


def _typed(kind: Any) -> pa.DataType:
    found: pa.DataType = kind
    return found


def _from_arrays(kind: Any, *arrays: Any, **options: Any) -> pa.Array[Any]:
    made: pa.Array[Any] = kind.from_arrays(*arrays, **options)
    return made


def _plain_field(field: pa.Field[Any]) -> pa.Field[Any]:
    return field.with_type(plain_type(field.type))


def _from_zero(offsets: pa.Array[Any], values: pa.Array[Any]) -> tuple[Any, Any]:
    """Return offsets that begin at zero, and the values that they are of."""
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    return pc.subtract(offsets, offsets[0]), values.slice(first, last - first)


def _of_map(array: Any, wanted: Any, nulls: Any) -> pa.Array[Any]:
    offsets, keys = _from_zero(array.offsets, array.keys)
    _, items = _from_zero(array.offsets, array.items)
    return _from_arrays(pa.MapArray, offsets, plain(keys), plain(items), type=wanted, mask=nulls)


def _of_list_view(array: Any, wanted: Any) -> pa.Array[Any]:
    """Return a list of the same values, which lie in any order."""
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    zero = pa.array([0], lengths.type)
    offsets = pa.concat_arrays([zero, pc.cumulative_sum(lengths)])
    nulls = array.is_null() if array.null_count else None
    kind = pa.ListArray if kinds.is_list(wanted) else pa.LargeListArray
    return _from_arrays(kind, offsets, plain(array.flatten()), type=wanted, mask=nulls)
