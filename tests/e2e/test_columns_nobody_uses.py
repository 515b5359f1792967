"""A column that nothing uses blocks no run, and failed rows say what they lack of it."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.runs import RunCommand, WriteConfig, assert_advice, failed, results, values
from support.scripts import echo, serving

FAR = datetime(9999, 12, 31)  # noqa: DTZ001 - Parquet's own kind


def lost(output: Path) -> dict[str, str]:
    metadata = pq.read_metadata(output / "_errors" / "part-00000.parquet").metadata or {}
    return dict(json.loads(metadata.get(b"personalize_worker_lost_columns", b"{}")))


@pytest.mark.parametrize("transport", ["wire", "sdk"])
def test_a_damaged_column_costs_failed_rows_that_column_alone(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, transport: str
) -> None:
    path = tmp_path / "users.parquet"
    table = pa.table({"USER_ID": ["a", None, "c"], "X": ["x", "y", "z"], "Y": [1, 2, 3]})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    offset = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 8] = b"\xff" * 8
    path.write_bytes(content)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url, "transport": transport})
        result = command("run", config, "--log-format=text")
        again = command("run", config)
        assert len(service.received) == 2
        refused = command("run", config, '--set=input.keep=["X"]', '--set=output.path="o2"')
    assert result.returncode == again.returncode == 3, result.stderr
    assert "failed rows lack columns that cannot be read" in result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == ["a", "c"]
    (row,) = failed(tmp_path / "out").to_pylist()
    assert (row["USER_ID"], row["X"], row["Y"], row["error_code"]) == (None, None, 2, "InvalidRow")
    assert list(lost(tmp_path / "out")) == ["X"]
    assert_advice(refused, 2, "cannot read row group 0")


def test_files_that_disagree_on_it_are_one_input_and_those_that_use_it_are_refused(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    (tmp_path / "in").mkdir()
    for name, user, odd in (("a", None, [1]), ("b", "u", [["x"]])):
        table = pa.table({"USER_ID": pa.array([user], pa.string()), "X": odd})
        pq.write_table(table, tmp_path / "in" / f"{name}.parquet")
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url}, input={"path": str(tmp_path / "in")}
        )
        assert command("run", config).returncode == 3
        kept = command("plan", config, '--set=input.keep=["X"]', '--set=output.path="o2"')
        asked = command("plan", config, '--set=input.where="X = 1"', '--set=output.path="o3"')
    assert "a.parquet" in lost(tmp_path / "out")["X"]
    assert "X" not in failed(tmp_path / "out").column_names
    for refused in (kept, asked):
        assert_advice(refused, 2, "disagree on column 'X'", "int64")


def test_odd_types_and_far_times_go_through_results_failed_rows_and_explain(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    view = pa.array([{"city": "a"}, None], pa.struct([("city", pa.string_view())]))
    columns = {
        "USER_ID": ["a", None],
        "ADDRESS": view,
        "UNTIL": pa.array([FAR] * 2, pa.timestamp("us")),
        "DAY": pa.array([200_000_000] * 2, pa.date32()),
        "TIME": pa.array([1, 2], pa.time64("ns")),
        "TENSOR": pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(pa.float32(), [2]),
            pa.array([[1.0, 2.0]] * 2, pa.list_(pa.float32(), 2)),
        ),
        "NUMPY": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((2, 2, 3))),
    }
    pq.write_table(
        pa.table(columns), tmp_path / "users.parquet", use_deprecated_int96_timestamps=True
    )
    keep = [name for name in columns if name != "USER_ID"]
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            input={
                "keep": keep,
                "where": "UNTIL > TIMESTAMP '2026-11-30 00:00:00' AND NUMPY IS NOT NULL",
            },
        )
        assert command("run", config).returncode == 3
    (row,) = results(tmp_path / "out").select(["ADDRESS", "UNTIL"]).to_pylist()
    assert row == {"ADDRESS": {"city": "a"}, "UNTIL": FAR}
    table = failed(tmp_path / "out")
    assert values(table, "UNTIL") == [FAR]
    assert values(table, "TENSOR") == [[1.0, 2.0]]
    assert values(table, "NUMPY") == [[1.0] * 6]
    explained = command("explain", tmp_path / "out", "a", "--json")
    assert explained.returncode == 0, explained.stderr
    assert "9999-12-31" in explained.stdout
