"""Inputs whose columns have the names of this program's own, this program's output among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.runs import (
    RANKING,
    RunCommand,
    WriteConfig,
    failed,
    results,
    values,
    write_parquet,
    write_users,
)
from support.scripts import Reply, asked_for, echo, serving
from support.services import Request

TAKEN = ["request_id", "attempts", "items", "rank", "score", "error_code", "failed_at"]
TOLERANT = {"stop": {"error_share_max": 1.0}}


def read_again(command: RunCommand, output: Path, identifier: str) -> dict[str, Any]:
    """Return what `explain` says, once all that reads an output has read this one."""
    assert command("report", output).returncode == 0
    compared = json.loads(command("diff", output, output, "--json").stdout)
    assert compared["rows"]["both"] == compared["rows"]["old"] > 0
    explained = command("explain", output, identifier, "--json")
    assert explained.returncode == 0, explained.stderr
    (part,) = json.loads(explained.stdout)["rows"]
    return dict(part)


def test_columns_with_taken_names_are_kept_and_failed_rows_are_an_input_as_they_are(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    columns = {"USER_ID": ["u1", None], **{name: [f"{name} 1", f"{name} 2"] for name in TAKEN}}
    write_parquet(tmp_path / "users.parquet", columns)
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url}, input={"keep": ["request_id", "attempts"]},
            **TOLERANT,
        )  # fmt: skip
        assert command("run", config).returncode == 0
        output = tmp_path / "out"
        (result,) = results(output).to_pylist()
        assert result["input_request_id"] == "request_id 1"
        assert result["input_attempts"] == "attempts 1"
        assert (result["request_id"], result["attempts"]) == ("request-1", 1)
        part = read_again(command, output, "u1")
        assert [row["recommendation_id"] for row in part["results"]] == ["RID-0"]
        before = failed(output)
        for again in ("again", "and-again"):
            config = write_config(
                target={"endpoint_url": service.url}, input={"path": output / "_errors"},
                output={"path": again}, **TOLERANT,
            )  # fmt: skip
            assert command("run", config).returncode == 0
            output = tmp_path / again
            assert failed(output).schema.names == before.schema.names
    (row,) = failed(output).to_pylist()
    assert {name: row[name] for name in TAKEN} == {name: f"{name} 2" for name in TAKEN}
    assert row["error_error_code"] == "InvalidRow"
    assert (row["error_attempts"], row["error_request_id"]) == (0, None)


@pytest.mark.parametrize("layout", ["nested", "exploded"])
def test_the_results_of_a_run_are_ranked_by_the_next(
    layout: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 2)

    def answer(request: Request) -> Reply:
        items = [{"itemId": f"i{n}", "score": 0.5, "metadata": {"title": "t"}} for n in (1, 2)]
        if request.members.get("inputList"):
            ranked = [{"itemId": each} for each in reversed(request.members["inputList"])]
            return Reply(body={"personalizedRanking": ranked, "recommendationId": "RANKED"})
        return Reply(body={"itemList": items, "recommendationId": "RID"})

    with serving(answer) as service:
        config = write_config(target={"endpoint_url": service.url})
        assert command("run", config).returncode == 0
        ranks = {"path": tmp_path / "out"}
        takes = {"user_id": "USER_ID", "item_list": "items"}
        config = write_config(
            target={**RANKING, "endpoint_url": service.url},
            input={**ranks, "columns": takes, "keep": ["recommendation_id"]},
            output={"path": "ranked", "layout": layout},
        )
        run = command("run", config)
        assert run.returncode == 0, run.stderr
    asked = [request.members["inputList"] for request in service.received[2:]]
    assert asked == [["i1", "i2"]] * 2
    before, after = results(tmp_path / "out"), results(tmp_path / "ranked")
    repeats = 1 if layout == "nested" else 2
    assert values(after, "input_items") == [
        items for items in values(before, "items") for _ in range(repeats)
    ]
    assert {*values(after, "input_recommendation_id")} == {"RID"}
    assert {*values(after, "recommendation_id")} == {"RANKED"}
    if layout == "nested":
        assert [item["item_id"] for item in values(after, "items")[0]] == ["i2", "i1"]
    else:
        assert values(after, "item_id") == ["i2", "i1"] * 2
    assert len(read_again(command, tmp_path / "ranked", "u0001")["results"]) == repeats


def test_the_items_of_an_exploded_output_are_the_next_input(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    columns = {"user_id": ["u1", "u2"], "item_id": ["i1", "i2"], "rank": pa.array([1, 1])}
    write_parquet(tmp_path / "users.parquet", columns)
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            input={"columns": {"user_id": "user_id", "item_id": "item_id"}},
            output={"layout": "exploded"},
        )
        run = command("run", config)
        assert run.returncode == 0, run.stderr
    assert [asked_for(request) for request in service.received] == ["u1", "u2"]
    after = results(tmp_path / "out")
    assert values(after, "input_item_id")[0] == "i1"
    assert len(read_again(command, tmp_path / "out", "i1")["results"]) >= 1
