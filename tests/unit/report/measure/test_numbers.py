"""The numbers of a report, held against the plain way to work them out."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.report.measure import bins
from worker.report.measure.counts import EntryCounts, Scores, concentration
from worker.report.measure.failures import EXAMPLES_MAX, Failures
from worker.report.measure.hashes import U64, hash_lists, hash_strings, mix
from worker.report.measure.shared_lists import LISTS_MAX, ROWS_MIN, SharedLists
from worker.report.measure.timeline import KEYS_MAX, PAUSE_S, SLICES_MAX, Timeline

texts = st.text(max_size=8)


@given(st.lists(texts))
def test_equal_texts_have_equal_hashes_and_others_others(values: list[str]) -> None:
    hashes = hash_strings(pa.array(values, pa.string())).to_pylist()
    assert len(set(zip(values, hashes, strict=True))) == len(set(values)) == len(set(hashes))


@given(st.lists(texts))
def test_lists_hashed_by_halves_have_the_same_hashes(values: list[str]) -> None:
    whole = hash_strings(pa.array(values, pa.string()))
    with mock.patch("worker.report.measure.hashes._AT_ONCE_MAX", 1):
        assert hash_strings(pa.array(values, pa.string())) == whole


@given(st.lists(texts, min_size=1), st.integers(0, 5))
def test_a_hash_does_not_depend_on_what_stands_before(values: list[str], skipped: int) -> None:
    array = pa.array(values, pa.string())
    assert hash_strings(array[skipped:]) == hash_strings(array)[skipped:]


@given(st.lists(st.lists(st.integers(0, 5), max_size=4)))
def test_lists_are_told_apart_by_entries_order_and_length(lists: list[list[int]]) -> None:
    column: Any = pa.array(lists, pa.list_(U64))
    hashes = hash_lists(mix(column.flatten()), column.offsets).to_pylist()
    distinct = {tuple(entries) for entries in lists}
    assert len(set(hashes)) == len(distinct)
    assert len({(tuple(e), h) for e, h in zip(lists, hashes, strict=True)}) == len(distinct)


@given(st.lists(st.floats(1e-300, 1e300), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_binned_quantile_is_near_the_exact_one(values: list[float], quantile: float) -> None:
    counts = Counter(bins.bins_of(pa.array(values)).to_pylist())
    (found,) = bins.quantiles(counts.items(), [quantile])
    exact = sorted(values)[math.ceil(quantile * len(values)) - 1]
    assert found == pytest.approx(exact, rel=1 / 32)


def shared(
    rows: list[tuple[int, int]], *, batch: int = 7, **bounds: int
) -> dict[int, tuple[int, int]]:
    lists = SharedLists(**bounds)
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        hashes, who = (pa.array(column, U64) for column in zip(*part, strict=True))
        lists.add(hashes, who, pa.array(range(start, start + len(part)), pa.int64()))
    return {one.list: (one.rows, one.first) for one in lists.shared(len(rows))}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80))
def test_a_list_is_shared_by_ten_rows_of_two_users(rows: list[tuple[int, int]]) -> None:
    expected = {}
    for wanted in {hash_ for hash_, _ in rows}:
        users = [user for hash_, user in rows if hash_ == wanted]
        if len(users) >= ROWS_MIN and len(set(users)) > 1:
            expected[wanted] = (len(users), [hash_ for hash_, _ in rows].index(wanted))
    assert shared(rows) == expected


def test_of_many_rows_a_list_needs_a_ten_thousandth() -> None:
    rows = [(1, user) for user in range(30)] + [(2, user) for user in range(15)]
    rows += [(1000 + number, number) for number in range(200_000 - len(rows))]
    found = shared(rows, batch=50_000)
    assert set(found) == {1}
    assert 30 - 200_000 / LISTS_MAX <= found[1][0] <= 30


def test_what_is_frequent_stays_when_there_are_more_lists_than_are_kept() -> None:
    rows = [(1 if number % 4 == 0 else 10 + number, number) for number in range(20_000)]
    found = shared(rows, lists_max=100, pending_max=100)
    assert set(found) == {1}
    assert 5000 - 20_000 / 100 <= found[1][0] <= 5000


def timeline(times_s: list[float], *, latency_ms: float = 10.0, attempts: int = 1) -> Timeline:
    made = Timeline()
    at_us = pa.array([1_000_000_000 + round(time_s * 1e6) for time_s in times_s], pa.int64())
    made.add_answers(
        at_us,
        pa.array([latency_ms] * len(times_s), pa.float32()),
        pa.array([attempts] * len(times_s), pa.int8()),
    )
    return made


def test_slices_count_each_row_once_and_have_the_right_rate() -> None:
    made = timeline([n / 100 for n in range(1000)], attempts=3)
    made.add_failures(pa.array([1_000_000_000 + 5_000_000]), pa.array([6], pa.int8()))
    slices, pauses = made.slices(5)
    assert [(s.start_s, s.seconds, s.rows) for s in slices] == [
        (n * 2.0, 2.0, 200) for n in range(5)
    ]
    assert [s.calls for s in slices] == [600, 600, 606, 600, 600]
    assert [s.retries for s in slices] == [400, 400, 405, 400, 400]
    assert [s.failed for s in slices] == [0, 0, 1, 0, 0]
    assert pauses == []


def test_a_slice_knows_its_latencies() -> None:
    made = timeline([0.0] * 98, latency_ms=20.0)
    made.add(timeline([0.05] * 2, latency_ms=500.0))
    made.add(timeline([0.06] * 50, latency_ms=9999.0, attempts=0))  # duplicates of other rows
    (one,), _ = made.slices(10)
    assert list(one.latency_ms or ()) == pytest.approx([20, 20, 500], rel=0.02)
    assert (one.rows, one.calls) == (150, 100)


def test_a_stop_is_a_pause_and_no_slice() -> None:
    slices, pauses = timeline([0.0, 1.0, 3601.0, 3602.0]).slices(100)
    assert list(pauses[0]) == pytest.approx([1.1, 3599.9])
    assert len(pauses) == 1
    assert slices[-1].start_s + slices[-1].seconds == pytest.approx(2.2)
    assert [s.rows for s in slices if s.rows] == [1, 1, 1, 1]
    assert slices[-1].at_us == 1_000_000_000 + 3_602_000_000


def test_idleness_of_less_than_a_pause_is_shown() -> None:
    slices, pauses = timeline([0.0, PAUSE_S - 1.0]).slices(10_000)
    assert pauses == []
    assert len(slices) == (PAUSE_S - 1) * 10 + 1


def test_days_take_no_more_slices_than_seconds() -> None:
    made = timeline([n * 30.0 for n in range(10_000)])  # three days and a half
    made.add(timeline([0.0, 29.95]))
    slices, _ = made.slices(1200)
    assert len(slices) <= 1200
    assert sum(s.rows for s in slices) == 10_002
    assert made._counts[0].num_rows <= SLICES_MAX


def test_latencies_of_every_length_take_no_more_than_so_many_keys() -> None:
    made = Timeline()
    lengths = [2 ** (n / 20) for n in range(400)]  # a bin each, or nearly
    for second in range(0, 100, 10):
        at_us = [1_000_000_000 + second * 1_000_000 + n * 100_000 for n in range(100)]
        pairs = [(at, ms) for at in at_us for ms in lengths]
        times, latencies = (pa.array(column) for column in zip(*pairs, strict=True))
        made.add_answers(times, latencies, pa.array([1] * len(pairs), pa.int8()))
    slices, _ = made.slices(1)
    assert slices[0].rows == 100 * 10 * 400
    assert slices[0].latency_ms == pytest.approx(
        (lengths[199], lengths[359], lengths[395]), rel=0.05
    )
    assert KEYS_MAX / 2 < made._latencies[0].num_rows <= KEYS_MAX


one_row = st.tuples(st.floats(0, 50), st.sampled_from([0.5, 3.0, 40.0, 800.0]))


@given(st.lists(one_row, min_size=1), st.lists(one_row, min_size=1))
def test_timelines_added_are_the_timeline_of_all_rows(
    some: list[tuple[float, float]], others: list[tuple[float, float]]
) -> None:
    def of(rows: list[tuple[float, float]]) -> Timeline:
        made = Timeline()
        for time_s, latency_ms in rows:  # each is settled
            made.add(timeline([time_s], latency_ms=latency_ms))
        return made

    with (
        mock.patch("worker.report.measure.timeline.SLICES_MAX", 8),
        mock.patch("worker.report.measure.timeline._PENDING_MAX", 1),
    ):
        whole, both, turned = of(some + others), of(some), of(others)
        both.add(of(others))
        turned.add(of(some))
        assert whole.slices(4) == both.slices(4) == turned.slices(4)
        for each in whole.slices(1000)[0]:
            times_us = range(each.at_us, each.at_us + round(each.seconds * 1e6))
            own = sorted(
                ms for s, ms in some + others if 1_000_000_000 + round(s * 1e6) in times_us
            )
            assert each.rows == len(own)
            assert bool(own) == (each.latency_ms is not None)
            if each.latency_ms is not None:
                assert each.latency_ms[0] == pytest.approx(own[(len(own) - 1) // 2], rel=0.02)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_concentration_is_what_the_textbook_says(counts: list[int]) -> None:
    found = concentration(pa.array(counts, pa.int64()), (3,))
    total, n = sum(counts), len(counts)
    differences = sum(abs(a - b) for a in counts for b in counts)
    assert found.gini == pytest.approx(differences / (2 * n * total), abs=1e-9)
    assert found.top_shares[3] == pytest.approx(sum(sorted(counts)[-3:]) / total)
    assert (found.distinct, found.entries) == (n, total)
    assert list(found.curve[-1]) == pytest.approx([n, 1.0])


def test_nothing_has_no_concentration() -> None:
    assert concentration(pa.array([], pa.int64()), (10,)).gini is None


@given(st.lists(st.lists(st.sampled_from(["a", "b", "c", None])), max_size=5))
def test_entries_are_counted_over_batches(batches: list[list[str | None]]) -> None:
    counts = EntryCounts()
    for batch in batches:
        other = EntryCounts()
        other.add_entries(pa.array(batch, pa.string()).dictionary_encode())
        counts.add(other)
    listed = counts.table().to_pylist()
    expected = Counter(entry for batch in batches for entry in batch if entry)
    assert {row["id"]: row["rows"] for row in listed} == expected


def test_scores_are_counted_by_powers_of_two() -> None:
    scores = Scores()
    scores.add_scores(pa.array([0.5, 0.7, 0.99, 1.0, 0.1, 0.0, None], pa.float64()))
    assert scores.octaves() == [(-4, 1), (-3, 0), (-2, 0), (-1, 3), (0, 1)]
    assert scores.missing == 1
    assert scores.quantiles((0.5,)) == [pytest.approx(statistics.median([0, 0.1, 0.5]), abs=0.6)]


def failed_rows(*rows: tuple[str | None, str, str]) -> pa.RecordBatch:
    fields: list[tuple[str, pa.DataType]] = [
        ("USER_ID", pa.string()),
        ("error_code", pa.string()),
        ("error_message", pa.string()),
        ("http_status", pa.int16()),
    ]
    values: list[dict[str, Any]] = [
        {"USER_ID": user, "error_code": code, "error_message": message, "http_status": 400}
        for user, code, message in rows
    ]
    return pa.RecordBatch.from_pylist(values, schema=pa.schema(fields))


def test_failures_keep_their_first_rows_and_most_frequent_messages() -> None:
    failures, other = Failures(), Failures()
    some = failed_rows(("u1", "A", "x"), (None, "A", "y"), ("u3", "A", "y"))
    failures.add_rows(some.select(["USER_ID"]), some)
    more = failed_rows(*[(f"v{n}", "A", "z") for n in range(9)], ("w", "B", "x"))
    other.add_rows(more.select(["USER_ID"]), more)
    failures.add(other)
    assert failures.codes == {"A": 12, "B": 1}
    assert failures.messages["A"] == {"z": 9, "y": 2, "x": 1}
    assert failures.examples["A"] == ["u1", "(null)", "u3", "v0", "v1"]
    assert len(failures.examples["A"]) == EXAMPLES_MAX
    assert failures.statuses == {"A": {400}, "B": {400}}
