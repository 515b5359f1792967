"""IDs as warehouses write them: what is called for, kept, explained, compared and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    results,
    write_parquet,
)
from support.scripts import asked_for, echo, serving

GUID = "00000000-0000-4000-8000-0000000000ff"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pa.array([UUID(GUID).bytes], pa.uuid()), GUID),
        (pa.array([1e15]), "1000000000000000"),
        (pa.array(["ü1".encode()], pa.binary()), "ü1"),
    ],
    ids=["uuid", "double", "binary"],
)
def test_an_id_is_called_by_its_text_and_keeps_its_type(
    values: Any, text: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": values})
    output = tmp_path / "out"
    with serving(echo) as service:
        run = command("run", write_config(target={"endpoint_url": service.url}))
    assert run.returncode == 0, run.stderr
    assert [asked_for(request) for request in service.received] == [text]
    assert results(output)["USER_ID"].to_pylist() == values.to_pylist()
    explained = json.loads(command("explain", output, text, "--json").stdout)
    assert [request["userId"] for request in explained["rows"][0]["requests"]] == [text]
    (result,) = explained["rows"][0]["results"]
    assert result["USER_ID"] in (text, 1e15)
    write_parquet(tmp_path / "users.parquet", {"USER_ID": [text]})
    with serving(echo) as service:
        new = write_config(target={"endpoint_url": service.url}, output={"path": "new"})
        assert command("run", new).returncode == 0
    compared = json.loads(command("diff", output, tmp_path / "new", "--json").stdout)
    assert compared["rows"]["both"] == 1


@pytest.mark.parametrize("verb", ["run", "plan", "loadtest"])
def test_ids_that_are_no_whole_numbers_end_a_command_before_the_first_call(
    verb: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": [1.0, 2.5]})
    with serving(echo) as service:
        stages = {"loadtest": {"stages": [{"tps": 10, "seconds": 1}]}}
        config = write_config(target={"endpoint_url": service.url}, **stages)
        assert_advice(command(verb, config), 2, "'USER_ID'", "not whole", "AS BIGINT")
    assert not service.received


def test_binary_that_is_not_utf8_fails_its_own_row_and_is_kept(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": [b"u1", b"\xff\xfe"]})
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, stop={"error_share_max": 0.5})
        assert command("run", config).returncode == 0
    output = tmp_path / "out"
    assert failed(output)["error_message"].to_pylist() == ["column 'USER_ID' is not UTF-8"]
    assert failed(output)["USER_ID"].to_pylist() == [b"\xff\xfe"]
    assert "no report" not in (output / "_report.html").read_text()
