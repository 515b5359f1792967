"""Histograms do not wait for the garbage collector: there are many, and few objects in each."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from hdrh.histogram import HdrHistogram

from worker.loadtest.measure import Measures, counted
from worker.output.books import Books
from worker.runtime.histogram import acyclic, decoded

NOTHING = HdrHistogram(1, 1000, 2).encode()


@pytest.fixture(autouse=True)
def no_garbage_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(type(each) is HdrHistogram for each in gc.get_objects())  # a proxy is none


@pytest.mark.parametrize(
    "make",
    [
        Books,
        lambda: Books.load(Books().dump()),
        lambda: counted([Measures()]),
        lambda: decoded(NOTHING),
    ],
    ids=["books", "kept-books", "stages", "decoded"],
)
def test_a_histogram_is_gone_when_nobody_has_it(make: Callable[[], object]) -> None:
    before = alive()
    made = make()
    assert alive() > before
    del made
    assert alive() == before


def test_what_was_recorded_is_encoded_and_added() -> None:
    one, other = (acyclic(HdrHistogram(1, 1000, 2)) for _ in range(2))
    one.record_value(3)
    other.add(one)
    again = decoded(other.encode())
    assert (again.get_total_count(), again.get_max_value()) == (1, 3)
