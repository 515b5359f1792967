"""A job's requests, from Parquet files as others write them."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.jobs import job_over

from worker.config.model import Config
from worker.errors import ConfigError, InputError
from worker.job import Job, open_job

GUIDS = [str(UUID(int=number << 64 | 0x4000 << 64 | 1 << 63)) for number in (1 << 40, 2 << 40)]
BY_ARROW: dict[str, tuple[Any, list[str]]] = {
    "decimal(38,0)": (
        pa.array([Decimal(12345678901234567890), Decimal(7)], pa.decimal128(38, 0)),
        ["12345678901234567890", "7"],
    ),
    "decimal(38,10)": (pa.array([Decimal("12.0"), Decimal(7)], pa.decimal128(38, 10)), ["12", "7"]),
    "double": (pa.array([34.0, 2.0**53 - 1]), ["34", "9007199254740991"]),
    "float": (pa.array([34.0, 1e6], pa.float32()), ["34", "1000000"]),
    "uuid": (pa.array([UUID(text).bytes for text in GUIDS], pa.uuid()), GUIDS),
    "16 bytes": (pa.array([UUID(text).bytes for text in GUIDS], pa.binary(16)), GUIDS),
    "binary": (pa.array([b"u1", "ü2".encode()], pa.binary()), ["u1", "ü2"]),
    "binary view": (pa.array([b"u1", b"u2"], pa.binary_view()), ["u1", "u2"]),
    "string view": (pa.array(["u1", "u2"], pa.string_view()), ["u1", "u2"]),
    "json": (pa.array(['"u1"', "2"], pa.json_()), ["u1", "2"]),
    "dictionary": (pa.array(["u1", "u2"]).dictionary_encode(), ["u1", "u2"]),
}
BY_DUCKDB: dict[str, tuple[str, list[str]]] = {
    "UUID": (", ".join(f"('{text}'::UUID)" for text in GUIDS), GUIDS),
    "DECIMAL(38,0)": (
        "(12345678901234567890::DECIMAL(38,0)), (7)",
        ["12345678901234567890", "7"],
    ),
    "DECIMAL(18,3)": ("(12.000::DECIMAL(18,3)), (7)", ["12", "7"]),
    "HUGEINT": ("(12::HUGEINT), (7)", ["12", "7"]),
    "BLOB": ("('u1'::BLOB), ('u2'::BLOB)", ["u1", "u2"]),
    "JSON": ("""('"u1"'::JSON), ('2'::JSON)""", ["u1", "2"]),
    "ENUM": ("('u1'::ENUM('u1', 'u2')), ('u2')", ["u1", "u2"]),
}


LISTS: list[tuple[Any, list[Any], list[str]]] = [
    (pa.list_view(pa.string()), ["i1", "i2"], ["i1", "i2"]),
    (pa.large_list_view(pa.int64()), [1, 2], ["1", "2"]),
    (pa.list_(pa.decimal128(38, 0)), [Decimal(1), Decimal(2)], ["1", "2"]),
    (pa.list_(pa.float64()), [1.0, 2.0], ["1", "2"]),
    (pa.list_(pa.binary_view()), [b"i1", b"i2"], ["i1", "i2"]),
    (pa.list_(pa.string_view()), ["i1", "i2"], ["i1", "i2"]),
    (pa.list_(pa.dictionary(pa.int8(), pa.string())), ["i1", "i2"], ["i1", "i2"]),
    (pa.list_(pa.string(), 2), ["i1", "i2"], ["i1", "i2"]),
]


def job_of(folder: Path, columns: dict[str, Any], *, where: str | None = None) -> Job:
    ranks = "item_list" in columns
    target = {"operation": "GetPersonalizedRanking"} if ranks else {}
    return job_over(folder / "users.parquet", columns, target=target, input={"where": where})


def requests_of(job: Job) -> list[Any]:
    (chunk,) = job.source.chunks
    return [
        json.loads(body) if isinstance(body, bytes) else body.message
        for rows in job.read(chunk)
        for body in job.builder.build(rows)
    ]


@pytest.mark.parametrize("kind", BY_ARROW)
def test_ids_are_read_as_arrow_writes_them(kind: str, tmp_path: Path) -> None:
    values, ids = BY_ARROW[kind]
    for stored in (True, False):  # Arrow's own types, and what others find in the file
        table = pa.table({"USER_ID": values})
        pq.write_table(table, tmp_path / "users.parquet", store_schema=stored)
        requests = requests_of(job_of(tmp_path, {"user_id": "USER_ID"}))
        assert [request["userId"] for request in requests] == ids


@pytest.mark.parametrize("kind", BY_DUCKDB)
def test_ids_are_read_as_duckdb_writes_them(kind: str, tmp_path: Path) -> None:
    rows, ids = BY_DUCKDB[kind]
    table = duckdb.from_query(f"FROM (VALUES {rows}) AS t(USER_ID)")
    assert table is not None
    table.write_parquet(str(tmp_path / "users.parquet"))
    requests = requests_of(job_of(tmp_path, {"user_id": "USER_ID"}))
    assert [request["userId"] for request in requests] == ids


@pytest.mark.parametrize(("kind", "items", "ids"), LISTS, ids=str)
def test_lists_of_ids_are_read_whatever_their_types(
    kind: Any, items: list[Any], ids: list[str], tmp_path: Path
) -> None:
    columns = {"USER_ID": ["u1", "u2"], "ITEMS": pa.array([None, items], kind)}
    pq.write_table(pa.table(columns), tmp_path / "users.parquet")
    job = job_of(tmp_path, {"user_id": "USER_ID", "item_list": "ITEMS"}, where="USER_ID <> ''")
    refused, request = requests_of(job)
    assert refused == "column 'ITEMS' is null"
    assert request["inputList"] == ids


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pa.array([1.0, None, 2.5]), "not whole"),
        (pa.array([1.0, 2.0**53]), "9,007,199,254,740,992"),
        (pa.array([1.0, 2.0**24], pa.float32()), "16,777,216"),
        (pa.array([Decimal("1.5")], pa.decimal128(10, 1)), "not whole"),
    ],
)
def test_ids_that_are_no_whole_numbers_are_refused_before_any_row(
    values: Any, says: str, tmp_path: Path
) -> None:
    table = pa.table({"USER_ID": values})
    pq.write_table(table, tmp_path / "users.parquet", row_group_size=1)
    for columns in ({"user_id": "USER_ID"}, {"item_id": "USER_ID"}):
        with pytest.raises(InputError, match=says) as caught:
            job_of(tmp_path, columns)
        assert "CAST(USER_ID AS BIGINT)" in caught.value.hint


def test_only_ids_that_are_selected_must_be_whole(tmp_path: Path) -> None:
    table = pa.table({"USER_ID": [1.0, 2.5, None], "N": [1, 2, 3]})
    pq.write_table(table, tmp_path / "users.parquet")
    first, second = requests_of(job_of(tmp_path, {"user_id": "USER_ID"}, where="N <> 2"))
    assert first["userId"] == "1"
    assert second == "column 'USER_ID' is null"


def test_a_value_that_two_files_types_do_not_share_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "users.parquet").mkdir()
    for number, users in enumerate(([2**53 + 1], [1.0])):
        table = pa.table({"USER_ID": users})
        pq.write_table(table, tmp_path / "users.parquet" / f"{number}.parquet")
    with pytest.raises(InputError, match=r"int64 in .*, double with the other files") as caught:
        job_of(tmp_path, {"user_id": "USER_ID"})
    assert str(2**53 + 1) not in caught.value.what


@pytest.mark.parametrize("output", ["_dt=2/out", "out", "a/b"])
def test_an_output_that_the_next_run_would_read_is_refused(output: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"USER_ID": ["u1"]}), tmp_path / "users.parquet")
    settings = {
        "target": {
            "operation": "GetRecommendations",
            "campaign_arn": "arn:aws:personalize:r:1:campaign/c",
        },
        "input": {"path": str(tmp_path), "columns": {"user_id": "USER_ID"}},
    }
    for inside in (output, f"_hidden/{output}"):
        config = Config.model_validate({**settings, "output": {"path": str(tmp_path / inside)}})
        if inside == output:
            with pytest.raises(ConfigError, match="lie in each other"):
                open_job(config)
        else:
            assert open_job(config).source.rows == 1
