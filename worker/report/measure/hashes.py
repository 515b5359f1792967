"""64-bit hashes of strings and of lists, column-wise. Pure.

A sequence's hash is the sum of h(element) * M^position modulo 2^64. Those of many come from one
running sum: the difference between a sequence's ends, divided by M^start.
"""

from __future__ import annotations

import functools
from hashlib import blake2b

import pyarrow as pa

from worker.report.measure.column import Column, pc

U64 = pa.uint64()
_MODULUS = 1 << 64
_BASE = 0xD1342543DE82EF95  # odd, so that it can be divided by; from Steele and Vigna, 2021
_NOTHING = pa.array([0], U64)
# Elements. Lists with more are done by halves, whose tables and sums take less memory; one alone,
# however long, is not.
_AT_ONCE_MAX = 1 << 16
_LONG_BYTES = 4096  # of a text: no ID is as long


def mix(values: Column) -> Column:
    """Return numbers that look random, one to one (the finalizer of SplitMix64)."""
    step = pc.add(values, pa.scalar(0x9E3779B97F4A7C15, U64))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        folded = pc.bit_wise_xor(step, pc.shift_right(step, pa.scalar(shift, U64)))
        step = pc.multiply(folded, pa.scalar(factor, U64))
    return pc.bit_wise_xor(step, pc.shift_right(step, pa.scalar(31, U64)))


def hash_strings(strings: Column) -> Column:
    """Return the hash of each value as text, as uint64; a null's is that of the empty string."""
    texts = shortened(pc.fill_null(strings.cast(pa.string()), ""))
    _, offset_buffer, bytes_buffer = texts.buffers()
    offsets: Column = pa.Array.from_buffers(
        pa.int32(), len(texts) + 1, [None, offset_buffer], offset=texts.offset
    )
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    letters: Column = pa.Array.from_buffers(
        pa.uint8(), last - first, [None, bytes_buffer], offset=first
    )
    return hash_lists(_byte_hashes().take(letters), pc.subtract(offsets, offsets[0]))


def shortened(texts: Column) -> Column:
    """Return strings, none of which is null, with digests in the place of long ones.

    Letter by letter each would take 64 bytes of memory.
    """
    is_long = pc.greater(pc.binary_length(texts), pa.scalar(_LONG_BYTES, pa.int32()))
    if not pc.any(is_long).as_py():
        return texts
    long = texts.filter(is_long).to_pylist()
    digests = [blake2b(text.encode(), digest_size=32).hexdigest() for text in long]
    return pc.replace_with_mask(texts, is_long, pa.array(digests, pa.string()))


def hash_lists(elements: Column, offsets: Column) -> Column:
    """Return a hash for each list of `elements` (uint64 hashes); the order in a list counts.

    List n is `elements[offsets[n]:offsets[n + 1]]`; the first offset is 0.
    """
    if len(elements) > _AT_ONCE_MAX and len(offsets) > 2:
        middle = len(offsets) // 2
        split = offsets[middle]
        first = hash_lists(elements[: split.as_py()], offsets[: middle + 1])
        rest = hash_lists(elements[split.as_py() :], pc.subtract(offsets[middle:], split))
        return pa.concat_arrays([first, rest])
    powers, inverses = _powers(_size(len(elements)))
    sums = pc.cumulative_sum(pc.multiply(elements, powers[: len(elements)]))
    at = pa.concat_arrays([_NOTHING, sums]).take(offsets)
    spans = pc.subtract(at[1:], at[:-1])
    lengths = pc.subtract(offsets[1:], offsets[:-1]).cast(U64)
    return mix(pc.add(pc.multiply(spans, inverses.take(offsets[:-1])), lengths))


def _size(needed: int) -> int:
    """Return a power of two above `needed`: few sizes, so that tables are made once."""
    return max(_AT_ONCE_MAX, 1 << needed.bit_length())


@functools.lru_cache(maxsize=8)  # sizes are powers of two: few, and the small ones cost little
def _powers(size: int) -> tuple[Column, Column]:
    return _powers_of(_BASE, size), _powers_of(pow(_BASE, -1, _MODULUS), size)


def _powers_of(base: int, size: int) -> Column:
    powers: Column = pa.array([1], U64)
    while len(powers) < size:
        factor = pa.scalar(pow(base, len(powers), _MODULUS), U64)
        powers = pa.concat_arrays([powers, pc.multiply(powers, factor)])
    return powers


@functools.lru_cache(maxsize=1)
def _byte_hashes() -> Column:
    return mix(pa.array(range(256), U64))
