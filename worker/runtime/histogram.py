"""HDR histograms that are gone when nobody has them."""

from __future__ import annotations

import weakref

from hdrh.histogram import HdrHistogram


def acyclic(histogram: HdrHistogram) -> HdrHistogram:
    """Return `histogram`, without what keeps it in memory until the garbage collector comes.

    Its encoder refers back to it. To the collector, which counts objects, 25 to 180 KiB in so few
    are nothing: a load test left 40 MiB of them a minute. Not to be copied: a copy's encoder would
    look at another histogram.
    """
    histogram.encoder.histogram = weakref.proxy(histogram)
    return histogram


def decoded(text: bytes | str) -> HdrHistogram:
    """Return a histogram from HdrHistogram's V2 format in base64; raise what hdrh does."""
    return acyclic(HdrHistogram.decode(text))
