"""Numbers in bins: a double's exponent and first 5 bits, so each is known within 1.6 %. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import pyarrow as pa

from worker.report.measure.column import Column, pc

OCTAVE_BITS = 5  # bins from a power of two to the next: 2**5
_SHIFT = 52 - OCTAVE_BITS
_EXPONENT_OF_1 = 1023


def bins_of(values: Column) -> Column:
    """Return the bin of each of `values`, which are not negative, as int64."""
    return pc.shift_right(values.cast(pa.float64()).view(pa.int64()), _SHIFT)


def first_bin(exponent: int) -> int:
    """Return the bin that begins with 2**exponent."""
    return (_EXPONENT_OF_1 + exponent) << OCTAVE_BITS


def exponent_of(number: int) -> int:
    """Return n for the bins from 2**n up to twice that."""
    return (number >> OCTAVE_BITS) - _EXPONENT_OF_1


def middle(number: int) -> float:
    """Return the middle of a bin; that of zero is zero."""
    low, high = struct.unpack("<2d", struct.pack("<2q", number << _SHIFT, (number + 1) << _SHIFT))
    return float(low + high) / 2 if number else 0.0


def quantiles(counts: Iterable[tuple[int, int]], wanted: Sequence[float]) -> list[float]:
    """Return the quantiles `wanted`, in rising order, of bins and their counts; none for none."""
    pairs = sorted(counts)
    total, seen = sum(count for _, count in pairs), 0
    found: list[float] = []
    for number, count in pairs:
        seen += count
        while len(found) < len(wanted) and seen >= wanted[len(found)] * total:
            found.append(middle(number))
    return found
