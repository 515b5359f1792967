"""A part's books: what is counted, and in which time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from unit.output.outcomes import failure, success

from worker.output.books import Books, new_histogram


@given(
    st.lists(
        st.floats(0, 2000, allow_nan=False) | st.floats(0, 1e6) | st.sampled_from([0.0004, 6e5]),
        max_size=50,
    )
)
def test_latencies_entered_together_are_counted_as_one_by_one(latencies_ms: list[float]) -> None:
    """Not even the histogram's own bars differ, so its 1 % is all that quantiles are off."""
    books, one_by_one = Books(), new_histogram()
    books.enter([success("x")._replace(latency_ms=value) for value in latencies_ms])
    for value in latencies_ms:
        one_by_one.record_value(min(max(1, round(value * 1e3)), 600_000_000))
    assert books.latency.encode() == one_by_one.encode()
    for percentile in (0, 50, 99, 100):
        found = books.latency.get_value_at_percentile(percentile)
        assert found == one_by_one.get_value_at_percentile(percentile)


def test_latencies_of_failed_rows_are_not_counted() -> None:
    books = Books()
    unsent = failure()._replace(attempts=0)
    books.enter([success("x"), failure(), unsent])
    assert books.latency.get_total_count() == 1
    assert (books.rows_read, books.calls, books.retries, books.throttles) == (3, 5, 3, 1)
