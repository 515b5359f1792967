"""Which users a load test calls for."""

from __future__ import annotations

from collections import Counter
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over

from worker.errors import InputError
from worker.job import Job
from worker.loadtest.bodies import Body, cycled, sampled

Names = list[str | None]


def job(folder: Path, names: Names, **input_keys: Any) -> Job:
    """Return a job over users with these IDs, read ten at a time."""
    path = folder / "users.parquet"
    pq.write_table(pa.table({"USER_ID": pa.array(names, pa.string())}), path)
    columns = {"user_id": "USER_ID"}
    return job_over(path, columns, input=input_keys, output={"rows_per_part": 10})


def users(bodies: list[Body]) -> list[str]:
    return [orjson.loads(body.content)["userId"] for body in bodies]


def first(blocks: Any, count: int) -> list[Body]:
    return list(islice(chain.from_iterable(blocks), count))


NAMES: Names = [f"u{n}" for n in range(25)]


@pytest.mark.parametrize("kept_bytes_max", [1 << 20, 500, 0])
def test_a_cycle_begins_anew_after_the_last_row(tmp_path: Path, kept_bytes_max: int) -> None:
    """From memory or, for a large input, read again."""
    bodies = first(cycled(job(tmp_path, NAMES), kept_bytes_max=kept_bytes_max), 60)
    assert users(bodies) == [*NAMES, *NAMES, *NAMES[:10]]
    assert [body.row for body in bodies] == [*range(25), *range(25), *range(10)]


def test_rows_that_cannot_be_sent_are_left_out(tmp_path: Path) -> None:
    bodies = first(cycled(job(tmp_path, ["a", None, "", "b"])), 4)
    assert users(bodies) == ["a", "b", "a", "b"]
    assert [body.row for body in bodies] == [0, 3, 0, 3]
    sample = first(sampled(job(tmp_path, ["a", None, "", "b"]), seed=1), 50)
    assert {(body.row, user) for body, user in zip(sample, users(sample), strict=True)} == {
        (0, "a"),
        (3, "b"),
    }


def test_where_selects_rows_here_too(tmp_path: Path) -> None:
    bodies = first(cycled(job(tmp_path, NAMES, where="USER_ID IN ('u3', 'u24')")), 4)
    assert users(bodies) == ["u3", "u24", "u3", "u24"]
    assert [body.row for body in bodies] == [0, 1, 0, 1]


@pytest.mark.parametrize("make", [cycled, lambda made: sampled(made, seed=1)])
def test_an_input_without_a_row_to_send_is_advice(tmp_path: Path, make: Any) -> None:
    with pytest.raises(InputError, match="no row that can be sent"):
        next(iter(make(job(tmp_path, [None, ""]))))


def test_a_sample_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one, same, other = (
        users(first(sampled(job(tmp_path, NAMES), seed=seed), 3000)) for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other
    assert set(one) == set(NAMES)


def test_a_sample_of_a_large_input_is_uniform(tmp_path: Path) -> None:
    """5 of 25 rows a time: over many seeds each row is chosen as often as any other."""
    made = job(tmp_path, NAMES)
    chosen = Counter[str]()
    for seed in range(400):
        some = set(users(first(sampled(made, seed=seed, rows=5), 200)))
        assert len(some) == 5
        chosen.update(some)
    counts = sorted(chosen.values())
    assert len(counts) == 25
    assert counts[0] > 50  # 80 expected, 8 the standard deviation
    assert counts[-1] < 110


def test_a_sample_of_large_bodies_has_fewer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job(tmp_path, NAMES)
    size = len(next(iter(sampled(made, seed=1)))[0].content)
    monkeypatch.setattr("worker.loadtest.bodies.SAMPLE_BYTES_MAX", 7 * size + 10)
    chosen = Counter[str]()
    for seed in range(200):
        some = set(users(first(sampled(made, seed=seed), 300)))
        assert 6 <= len(some) <= 7
        chosen.update(some)
    assert len(chosen) == 25


def test_a_sample_is_drawn_with_replacement(tmp_path: Path) -> None:
    drawn = users(first(sampled(job(tmp_path, NAMES), seed=1), 2000))
    assert any(one == other for one, other in pairwise(drawn))
