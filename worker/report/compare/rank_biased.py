"""Rank-biased overlap of many pairs of lists at once: how alike, the first places counting most.

RBO_EXT of Webber, Moffat and Zobel, "A similarity measure for indefinite rankings" (2010), equation
32, for lists of unequal lengths: beyond their ends they are taken to agree as they did there. Pure.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Final

import pyarrow as pa

from worker.report.measure.column import Column, pc

P: Final = 0.9
"""How likely a reader goes on to the next place: the first 10 are 86 % of the whole (the same)."""


def rank_biased(
    meet: Column,
    row: Column,
    sums: Callable[[Column], Column],
    shorter: Column,
    longer: Column,
) -> Column:
    """Return a number from 0 to 1 for each pair; null for two empty lists, 0 for one.

    `meet` has for each entry of one side the deeper of its two places, from 0, null if the other
    has it not; `row` which pair it is of, and `sums` adds such values up by pair. `shorter` and
    `longer` are the lengths. The agreement at depth d is its X_d common entries of d, so an entry
    counts at its place and all deeper ones: sum(P^d / d), which comes from a table.
    """
    weights, powers = _tables(int(pc.max(longer).as_py() or 0))
    common = _double(sums(meet.is_valid().cast(pa.int64())))
    within = common
    if not shorter.equals(longer):
        in_shorter = pc.less(meet, shorter.take(row)).cast(pa.int64())
        within = _double(sums(in_shorter))
    ends, length, short = weights.take(longer), _double(longer), _double(shorter)
    seen = pc.subtract(pc.multiply(common, ends), sums(weights.take(meet)))
    share = pc.if_else(pc.greater(shorter, 0), pc.divide(within, short), 0.0)
    beyond = pc.subtract(
        pc.multiply(share, pc.subtract(powers.take(longer), powers.take(shorter))),
        pc.multiply(within, pc.subtract(ends, weights.take(shorter))),
    )
    tail = pc.multiply(
        pc.add(pc.divide(pc.subtract(common, within), length), share), pc.power(P, length)
    )
    found = pc.add(pc.multiply(pc.add(seen, beyond), (1 - P) / P), tail)
    return pc.if_else(pc.greater(longer, 0), found, pa.scalar(None, pa.float64()))


def _tables(longest: int) -> tuple[Column, Column]:
    """Return the sums of P^d / d and of P^d up to each depth, from 0."""
    depths = range(1, longest + 1)
    weights = accumulate((P**depth / depth for depth in depths), initial=0.0)
    powers = accumulate((P**depth for depth in depths), initial=0.0)
    return pa.array(list(weights)), pa.array(list(powers))


def _double(values: Column) -> Column:
    return values.cast(pa.float64())
