"""HDR histograms that are gone when nobody has them."""

import weakref

from hdrh.histogram import HdrHistogram


def acyclic(histogram: HdrHistogram) -> HdrHistogram:
    """Return `histogram`, without what keeps it in memory until the garbage collector comes.

    Its encoder refers back to it; and 25 to 180 KiB in so few objects do not have that come soon: a
    load test made 40 MiB of them a minute.
    """
    histogram.encoder.histogram = weakref.proxy(histogram)
    return histogram
