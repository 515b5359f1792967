"""What rows were made from, in a few bytes: a digest of each request, one of a Chunk's rows. Pure.

A request's digest is the BLAKE2b of its body, 16 bytes: entries of the spool have it, and identical
requests are found by it. A row that cannot be sent has no request, and sixteen zeros.

The digest of rows is over the digests of their requests and over their copied columns, in order. It
is the same however the rows are cut into batches, and however Parquet or Arrow hold their values:
dictionaries, offsets and what lies under a null do not count.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from worker.model import DIGEST_BYTES

NO_REQUEST = bytes(DIGEST_BYTES)


def request_digest(body: bytes) -> bytes:
    """Return the digest of a request: different requests have different ones."""
    return blake2b(body, digest_size=DIGEST_BYTES).digest()


class RowsDigest:
    """Takes rows in order, any number at a time; `text` is what they come to.

    Each leaf of a column is up to three streams, as Parquet has it: which values are there, how
    long they are, and their bytes one after the other. A stream does not show where it was cut.
    """

    def __init__(self) -> None:
        self._streams: dict[str, blake2b] = {}

    def add(self, requests: bytes | bytearray, copied: pa.RecordBatch) -> None:
        """Take the next rows: the digests of their requests, one after the other, and columns."""
        self._update("requests", requests)
        for index, column in enumerate(copied.columns):
            self._enter(str(index), column)

    def text(self) -> str:
        """Return 32 hex digits."""
        whole = blake2b(digest_size=DIGEST_BYTES)
        for name, stream in sorted(self._streams.items()):
            whole.update(name.encode() + b"\0" + stream.digest())
        return whole.hexdigest()

    def _update(self, name: str, content: bytes | bytearray | memoryview) -> None:
        if name not in self._streams:
            self._streams[name] = blake2b(digest_size=DIGEST_BYTES)
        self._streams[name].update(content)

    def _enter(self, name: str, array: pa.Array[Any]) -> None:
        array = _bare(array)
        if not len(array):
            return
        if array.null_count == 0:
            self._update(f"{name}?", b"\1" * len(array))
        else:
            self._update(f"{name}?", _fixed(pc.is_valid(array).cast(pa.uint8())))
            array = array.drop_null()
        if len(array):
            self._enter_values(name, array)

    def _enter_values(self, name: str, array: pa.Array[Any]) -> None:
        """Take values none of which is null."""
        kind = array.type
        if isinstance(array, pa.StructArray):
            for index, member in enumerate(array.flatten()):
                self._enter(f"{name}.{index}", member)
        elif _is_list(kind):
            self._update(f"{name}#", _fixed(pc.list_value_length(array).cast(pa.int64())))
            self._enter(f"{name}[]", pc.list_flatten(array))
        elif _is_text(kind):
            lengths: pa.Array[Any] = pc.binary_length(array)  # type: ignore[call-overload] # the stubs want its class
            self._update(f"{name}#", _fixed(lengths.cast(pa.int64())))
            self._update(name, _text_bytes(array))
        elif kinds.is_boolean(kind):
            self._update(name, _fixed(array.cast(pa.uint8())))
        elif not kinds.is_null(kind):
            self._update(name, _fixed(array))


def _bare(array: pa.Array[Any]) -> pa.Array[Any]:
    """Return the values themselves, of a type that has a canonical form."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _bare(array.storage)
    if isinstance(array, pa.DictionaryArray):
        return _bare(array.dictionary_decode())
    if isinstance(kind, pa.MapType):
        pair = pa.struct([kind.key_field, kind.item_field])
        return array.cast(pa.list_(pa.field("entries", pair, nullable=False)))
    if kinds.is_string_view(kind) or kinds.is_binary_view(kind):
        return array.cast(pa.large_binary())
    return array


def _fixed(array: pa.Array[Any]) -> memoryview:
    """Return the bytes of values that are all as wide."""
    width = array.type.bit_width // 8
    content = memoryview(array.buffers()[1] or b"")
    return content[width * array.offset : width * (array.offset + len(array))]


def _text_bytes(array: pa.Array[Any]) -> memoryview:
    """Return the bytes of texts, one after the other; there is one text at least."""
    _, offsets, content = array.buffers()
    is_large = kinds.is_large_string(array.type) or kinds.is_large_binary(array.type)
    ends = memoryview(offsets or b"").cast("B").cast("q" if is_large else "i")
    return memoryview(content or b"")[ends[array.offset] : ends[array.offset + len(array)]]


def _is_list(kind: pa.DataType) -> bool:
    return (
        kinds.is_list(kind)
        or kinds.is_large_list(kind)
        or kinds.is_fixed_size_list(kind)
        or kinds.is_list_view(kind)
        or kinds.is_large_list_view(kind)
    )


def _is_text(kind: pa.DataType) -> bool:
    return (
        kinds.is_string(kind)
        or kinds.is_large_string(kind)
        or kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
    )
