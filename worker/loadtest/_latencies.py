"""Latencies in an HDR histogram: three digits from a microsecond to ten minutes, 180 KiB."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from hdrh.histogram import HdrHistogram

from worker.runtime.histogram import acyclic

_US_MAX = 600_000_000
_DIGITS = 3
# A double's sign, exponent and first 8 bits, and the next one, which makes it the middle of all
# that are alike in these: 0.2 % off at most.
_KEPT_BITS = -1 << (52 - 8)
_MIDDLE_BIT = 1 << (52 - 9)


class Latencies:
    """Records many at once, for it is slow per value; can be merged and quoted."""

    def __init__(self) -> None:
        self._histogram = acyclic(HdrHistogram(1, _US_MAX, _DIGITS, b64_wrap=True))

    def record(self, latencies_us: pa.Array[Any]) -> None:
        """Record doubles, in microseconds; what is beyond the range counts as its end."""
        least, most = pa.scalar(1.0), pa.scalar(float(_US_MAX))
        bounded: Any = pc.min_element_wise(pc.max_element_wise(latencies_us, least), most)
        kept: Any = pc.bit_wise_and(bounded.view(pa.int64()), _KEPT_BITS)
        values, counts = pc.value_counts(kept).flatten()
        middles: Any = pc.bit_wise_or(values, _MIDDLE_BIT)
        for value, count in zip(
            middles.view(pa.float64()).to_pylist(), counts.to_pylist(), strict=True
        ):
            self._histogram.record_value(min(_US_MAX, round(value)), count)

    def add(self, other: Latencies) -> None:
        """Add another's."""
        self._histogram.add(other._histogram)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._histogram.get_total_count())

    def quantile_ms(self, quantile: float) -> float | None:
        """Return a quantile, 0 to 1, in milliseconds; None of nothing."""
        if not self.count:
            return None
        return float(self._histogram.get_value_at_percentile(quantile * 100) / 1e3)

    def encoded(self) -> str:
        """Return it in HdrHistogram's V2 log format: compressed, base64; values in microseconds."""
        return str(self._histogram.encode().decode())


def merged(parts: list[Latencies]) -> Latencies:
    """Return all of them together."""
    whole = Latencies()
    for part in parts:
        whole.add(part)
    return whole
