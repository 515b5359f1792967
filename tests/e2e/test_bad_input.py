"""Bad input: the exit code, and a message that says what is wrong, what was seen, what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.runs import (
    FILTER_ARN,
    RANKING,
    RANKING_COLUMNS,
    RECOMMENDER_ARN,
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    results,
    success,
    user_ids,
    write_parquet,
    write_users,
)
from support.scripts import Reply, asked_for, echo, serving

_sound = partial(write_users, count=3)


def _input(columns: dict[str, Any]) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        write_parquet(folder / "users.parquet", columns)

    return prepare


def _content(content: bytes) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        (folder / "users.parquet").write_bytes(content)

    return prepare


def _nothing(_folder: Path) -> None:
    """Leave the folder without an input."""


def _truncated(folder: Path) -> None:
    path = write_users(folder, 3)
    path.write_bytes(path.read_bytes()[:-20])


def _a_pipe(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    os.mkfifo(folder / name)


def _a_delta_table(folder: Path) -> None:
    write_users(folder, 3)
    (folder / "_delta_log").mkdir()


def _a_file_where_the_output_belongs(folder: Path) -> None:
    write_users(folder, 3)
    (folder / "taken").write_text("a regular file")


@dataclass(frozen=True)
class Bad:
    """One thing that is wrong: how to make it, and what the message must hold."""

    says: tuple[str, ...]
    prepare: Callable[[Path], object] = _sound
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: tuple[str, ...] = ()


BAD = {
    "missing file": Bad(("users.parquet does not exist", "hint: check input.path"), _nothing),
    "a pipe": Bad(("neither a file nor a folder", "input"), partial(_a_pipe, "users.parquet")),
    "a pipe in a folder": Bad(
        ("cannot read users/part.parquet: it is a pipe", "hint: "),
        partial(_a_pipe, "users/part.parquet"),
        {"input": {"path": "users"}},
    ),
    "not Parquet": Bad(
        ("users.parquet is not a Parquet file", "b'USER'", "convert it"),
        _content(b"USER_ID\nu0001\nu0002\n"),
    ),
    "truncated Parquet": Bad(("users.parquet is a truncated Parquet file", "bytes"), _truncated),
    "zero rows": Bad(("has no rows", "users.parquet"), _input({"USER_ID": pa.array([], "string")})),
    "missing column": Bad(
        ("no column 'USER_ID'", "it has: uid, AGE", "input.columns"),
        _input({"uid": ["u1"], "AGE": [30]}),
    ),
    "user IDs of a wrong type": Bad(
        ("'USER_ID' has type bool", "strings or integers"), _input({"USER_ID": [True]})
    ),
    "user IDs that are not whole": Bad(
        ("'USER_ID' has type double", "not whole", "CAST(USER_ID AS"), _input({"USER_ID": [1.5]})
    ),
    "a Delta table": Bad(("Delta Lake", "delta_scan", "plain Parquet"), _a_delta_table),
    "item lists of a wrong type": Bad(
        ("'ITEMS' has type string", "input.columns.item_list", "lists of strings"),
        _input({"USER_ID": ["u1"], "ITEMS": ["i1,i2"]}),
        {"target": RANKING, "input": {"columns": RANKING_COLUMNS}},
    ),
    "numResults of a wrong type": Bad(
        ("'N' has type string", "input.columns.num_results", "integers"),
        _input({"USER_ID": ["u1"], "N": ["5"]}),
        {"input": {"columns": {"user_id": "USER_ID", "num_results": "N"}}},
    ),
    "where names no column": Bad(
        ("no column 'AGE'", "it has: USER_ID"), sections={"input": {"where": "AGE > 3"}}
    ),
    "numResults 501": Bad(
        ("request.num_results", "500", "seen: 501"), sections={"request": {"num_results": 501}}
    ),
    "numResults 51 with metadata": Bad(
        ("request.num_results", "at most 50 with metadata_columns", "seen: 51"),
        sections={"request": {"num_results": 51, "metadata_columns": ["TITLE"]}},
    ),
    "malformed ARN": Bad(
        ("target.campaign_arn", "is not a campaign ARN", "seen: 'home-feed'", "arn:aws:"),
        sections={"target": {"campaign_arn": "home-feed"}},
    ),
    "recommender with ranking": Bad(
        ("GetPersonalizedRanking takes a campaign_arn, not a recommender_arn",),
        sections={"target": {**RANKING, "campaign_arn": None, "recommender_arn": RECOMMENDER_ARN}},
    ),
    "unknown key": Bad(
        ("rate.tsp: unknown key", "did you mean rate.tps?"), sections={"rate": {"tsp": 5}}
    ),
    "several mistakes at once": Bad(
        (
            "exactly one of campaign_arn and recommender_arn",
            "rates: unknown key; did you mean rate?",
            "stop.deadline: is neither",
            "seen: 'tomorrow'",
            "input.keep",
        ),
        sections={
            "target": {"recommender_arn": RECOMMENDER_ARN},
            "rates": {},
            "stop": {"deadline": "tomorrow"},
            "input": {"keep": "LOCALE"},
        },
    ),
    "tps 0": Bad(("rate.tps", "greater than 0", "seen: 0"), sections={"rate": {"tps": 0}}),
    "output below a regular file": Bad(
        ("the output taken/out", "Not a directory", "output.path"),
        _a_file_where_the_output_belongs,
        {"output": {"path": "taken/out"}},
    ),
    "output is a regular file": Bad(
        ("the output taken", "output.path"),
        _a_file_where_the_output_belongs,
        {"output": {"path": "taken"}},
    ),
    "--set without a value": Bad(("'rate.tps'", "--set rate.tps=200"), settings=("rate.tps",)),
    "--set into what is no section": Bad(("tps is not a section",), settings=("rate.tps.x=1",)),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_it_is_refused_with_advice_before_any_call(
    bad: Bad, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    bad.prepare(tmp_path)
    with serving(echo) as service:
        target = {**bad.sections.get("target", {}), "endpoint_url": service.url}
        config = write_config(**{**bad.sections, "target": target})
        result = command("run", config, *(f"--set={setting}" for setting in bad.settings))
    assert_advice(result, 2, *bad.says)
    assert result.stdout == ""
    assert service.received == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read the config bad.toml: No such file"),
        (b"[target\noperation = 1\n", "bad.toml is not TOML"),
        (b"PAR1\xff\xfe\x00", "bad.toml is not UTF-8"),
        (b"rate = 5\n", "rate: "),
    ],
)
def test_a_config_that_cannot_be_read_is_refused_with_advice(
    content: bytes | None, says: str, tmp_path: Path, command: RunCommand
) -> None:
    if content is not None:
        (tmp_path / "bad.toml").write_bytes(content)
    assert_advice(command("run", "bad.toml"), 2, says)


def test_an_output_folder_of_another_run_is_left_alone(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(echo) as service:
        target = {"endpoint_url": service.url}
        assert command("run", write_config(target=target)).returncode == 0
        before = {path: path.read_bytes() for path in (tmp_path / "out").glob("*")}
        result = command("run", write_config(target=target, request={"num_results": 7}))
        assert_advice(result, 6, "another run", "request.num_results: nothing there, 7 here")
        assert len(service.received) == 3
    assert {path: path.read_bytes() for path in (tmp_path / "out").glob("*")} == before


def _expect_invalid_rows(
    command: RunCommand, config: Path, columns: dict[str, Any], says: dict[str, str]
) -> None:
    """Run a table whose rows are all bad, in the ways of `says`, but for the last."""
    table = pa.table({"CASE": [*says, "fine"], **columns, "UNUSED": [b"\xff"] * (len(says) + 1)})
    write_parquet(config.parent / "users.parquet", table)
    output = config.parent / "out"
    assert_advice(command("run", config), 3, f"{len(says)} rows failed", "_errors")
    rows = failed(output)
    assert rows.select(table.column_names).equals(table.slice(0, len(says)))
    own = ["error_code", "error_message", "http_status", "attempts", "request_id", "failed_at"]
    assert rows.column_names == [*table.column_names, *own]
    for row in rows.to_pylist():
        assert says[row["CASE"]] in row["error_message"]
        assert (row["http_status"], row["attempts"], row["request_id"]) == (None, 0, None)
        assert (row["error_code"], row["failed_at"] is None) == ("InvalidRow", False)
    done = success(output)
    assert (done["rows_read"], done["results"], done["calls"]) == (table.num_rows, 1, 1)
    assert done["errors"] == {"InvalidRow": len(says)}
    assert results(output).num_rows == 1


@pytest.mark.parametrize("with_metadata", [False, True])
def test_user_rows_that_break_a_limit_are_set_aside_without_a_call(
    with_metadata: bool, command: RunCommand, write_config: WriteConfig
) -> None:
    asked, most = (["TITLE"], 50) if with_metadata else (None, 500)
    rows: dict[str, tuple[str | None, int, str, list[str | None], str]] = {
        "null ID": (None, 5, "am", ["Drama"], "'USER_ID' is null"),
        "empty ID": ("", 5, "am", ["Drama"], "'USER_ID' is empty"),
        "long ID": ("x" * 300, 5, "am", ["Drama"], "'USER_ID' has 300 characters"),
        "many results": ("u1", most + 1, "am", [], f"'N' is {most + 1}"),
        "no results": ("u1", 0, "am", [], f"'N' is 0; a request takes 1 to {most}"),
        "long context": ("u1", 5, "x" * 1001, ["Drama"], "'DAYPART' makes 1001 characters"),
        "quote in a filter value": ("u1", 5, "am", ['"'], "'GENRES' holds a double quote"),
        "null in a filter value": ("u1", 5, "am", [None], "'GENRES' holds a null"),
        "long filter value": ("u1", 5, "am", ["x" * 999], "'GENRES' makes 1001 characters"),
        "fine": ("x" * 256, most, "x" * 1000, ["x" * 998], ""),
    }
    names = ("USER_ID", "N", "DAYPART", "GENRES")
    columns = {name: [row[at] for row in rows.values()] for at, name in enumerate(names)}
    takes = {
        "user_id": "USER_ID",
        "num_results": "N",
        "context": {"DAYPART": "DAYPART"},
        "filter_values": {"GENRE": "GENRES"},
    }
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            request={"filter_arn": FILTER_ARN, "metadata_columns": asked},
            input={"columns": takes},
        )
        says = {case: row[-1] for case, row in list(rows.items())[:-1]}
        _expect_invalid_rows(command, config, columns, says)
    assert [asked_for(request) for request in service.received] == ["x" * 256]


@pytest.mark.parametrize("with_metadata", [False, True])
def test_ranking_rows_with_a_bad_list_are_set_aside_without_a_call(
    with_metadata: bool, command: RunCommand, write_config: WriteConfig
) -> None:
    asked, most = (["TITLE"], 50) if with_metadata else (None, 500)
    lists: list[list[str | None] | None] = [
        [], None, ["i1", None], ["i1", ""], ["x" * 300], ["i1"] * (most + 1), ["i1"] * most,
    ]  # fmt: skip
    says = {
        "empty": "'ITEMS' is empty",
        "null": "'ITEMS' is null",
        "null inside": "'ITEMS[]' is null",
        "empty inside": "'ITEMS[]' is empty",
        "long inside": "'ITEMS[]' has 300 characters",
        "too long": f"'ITEMS' has {most + 1} items; a request takes at most {most}",
    }
    ranked = Reply(body={"personalizedRanking": [], "recommendationId": "RID"})
    with serving(lambda _: ranked) as service:
        config = write_config(
            target={**RANKING, "endpoint_url": service.url},
            request={"metadata_columns": asked},
            input={"columns": RANKING_COLUMNS},
        )
        columns = {"USER_ID": user_ids(len(lists)), "ITEMS": lists}
        _expect_invalid_rows(command, config, columns, says)
    assert [len(request.members["inputList"]) for request in service.received] == [most]
