"""Each command as a user meets it: what is on stdout, what on stderr, and the exit code."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from support.runs import (
    PROJECT,
    RunCommand,
    WriteConfig,
    assert_advice,
    campaign_arn,
    results,
    run_with_closed_stdout,
    success,
    user_ids,
    values,
    write_parquet,
    write_users,
)
from support.scripts import Reply, asked_for, echo, error, serving
from support.services import Request

COMMANDS = ("run", "plan", "loadtest", "emulate", "explain", "report", "diff", "schema")
KEY_ID, SECRET, TOKEN = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI-secret", "session-token-value"
ESCAPE = "\x1b"


def _fail_u0002(request: Request) -> Reply:
    if asked_for(request) == "u0002":
        return error("InvalidInputException", 400, "not this one")
    return echo(request)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_a_command_takes(name: str, command: RunCommand) -> None:
    result = command(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith(f"Usage: personalize-worker {name}")
    wanted = {
        "run": ["--set", "--emulator", "--overwrite", "--log-format", "-q", "-v", "CONFIG"],
        "plan": ["--set", "--emulator", "--json", "--log-format", "-q", "-v", "CONFIG"],
        "loadtest": ["--emulator", "--overwrite", "--json", "CONFIG", "open-loop"],
        "emulate": ["--set", "ready http://127.0.0.1:8765"],
        "explain": ["OUTPUT", "ID"],
        "report": ["OUTPUT", "_report.html"],
        "diff": ["OLD NEW", "--json", "--html FILE"],
        "schema": ["JSON Schema"],
    }
    for text in wanted[name]:
        assert text in result.stdout


def test_help_lists_exactly_the_commands_that_work_and_the_exit_codes(command: RunCommand) -> None:
    result = command("--help")
    listed = result.stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert {line.split()[0] for line in listed.splitlines()} == set(COMMANDS)
    for code in (0, 1, 2, 3, 4, 5, 6, 75):
        assert re.search(rf"\b{code}  +\w", result.stdout)


@pytest.mark.parametrize(
    "arguments", [("walk",), ("run",), ("run", "c.toml", "--sett", "rate.tps=1"), ("explain", "x")]
)
def test_a_wrong_command_line_ends_with_2(arguments: tuple[str, ...], command: RunCommand) -> None:
    result = command(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Usage:" in result.stderr
    assert "Error:" in result.stderr
    assert "Traceback" not in result.stderr


PLANNED: dict[str, Any] = {
    "request": {"num_results": 5},
    "input": {"keep": ["LOCALE"]},
    "rate": {"tps": 10},
    "price": {"per_1000_usd": 0.05},
}


def _write_people(folder: Path) -> None:
    ids = [*user_ids(40), *user_ids(10), None, ""]
    write_parquet(folder / "users.parquet", {"USER_ID": ids, "LOCALE": ["de"] * len(ids)})


def test_plan_foretells_the_run_without_a_call(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write_people(tmp_path)
    with serving(echo) as service:
        sections = {**PLANNED, "target": {"endpoint_url": service.url}}
        config = write_config(**sections, stop={"deadline": "2h"})
        result = command("plan", config, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    plan = json.loads(result.stdout)
    assert service.received == []
    assert not (tmp_path / "out").exists()
    known = {"rows": 52, "rows_refused": 2, "calls": 40, "distinct_requests": 40, "tps": 10,
             "duplicates": 10, "parts": 1, "deadline": "2h", "deadline_feasible": True}  # fmt: skip
    assert plan.items() >= known.items()
    assert plan["refused"] == {"column 'USER_ID' is null": 1, "column 'USER_ID' is empty": 1}
    assert plan["seconds"] == pytest.approx(4.0, abs=0.2)
    assert plan["cost_usd_estimate"] == pytest.approx(0.002)
    arn = campaign_arn("user-personalization")
    assert plan["first_requests"] == [
        {"campaignArn": arn, "userId": user, "numResults": 5} for user in user_ids(3)
    ]


def test_plan_is_readable_for_people(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    _write_people(tmp_path)
    result = command("plan", write_config(**PLANNED, stop={"deadline": "3s"}))
    assert (result.returncode, result.stderr) == (0, "")
    lines = {
        line.split("  ")[0]: " ".join(line.split()) for line in result.stdout.splitlines() if line
    }
    assert lines["rows"] == "rows 52"
    assert lines["refused rows"].startswith("refused rows 2 ")
    assert lines["distinct requests"] == "distinct requests 40"
    assert lines["duplicates"].startswith("duplicates 10 ")
    assert lines["calls"] == "calls 40"
    assert "4.0s at 10 calls/s" in lines["time"]
    assert "$0.0020 (estimate)" in lines["cost"]
    assert "NOT FEASIBLE" in lines["deadline"]
    shown = result.stdout.partition("first requests\n")[2].splitlines()
    assert [json.loads(line)["userId"] for line in shown] == user_ids(3)


def test_the_rate_is_the_campaigns_when_none_is_set_and_a_run_says_so(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 10)
    name = "home-feed"
    declared = {"name": name, "recipe": "aws-user-personalization-v2", "min_provisioned_tps": 40}
    config = write_config(
        target={"campaign_arn": campaign_arn(name)},
        rate={"tps": None},
        emulator={"campaigns": [declared]},
    )
    result = command("plan", config, "--emulator", "--json")
    assert result.returncode == 0, result.stderr
    plan = json.loads(result.stdout)
    assert (plan["tps"], plan["calls"]) == (40, 10)
    told = command("run", config, "--emulator").stderr
    assert "tps=40.0 tps_from=minProvisionedTPS" in told
    assert (
        "tps_from"
        not in command("run", write_config(output={"path": "other"}), "--emulator").stderr
    )


def test_plan_warns_of_an_output_of_another_run(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    assert_advice(command("plan", write_config()), 6, "notes.txt", "output.path")


def test_schema_accepts_every_shipped_config_and_refuses_a_typo(command: RunCommand) -> None:
    result = command("schema")
    assert (result.returncode, result.stderr) == (0, "")
    schema = json.loads(result.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    shipped = sorted((PROJECT / "configs").glob("*.toml"))
    assert shipped
    for path in shipped:
        config = tomllib.loads(path.read_text())
        validator.validate(config)
        config["rate"] = {"tsp": 5}
        assert not validator.is_valid(config)


@pytest.mark.parametrize(
    ("file", "environment", "flags", "tps"),
    [
        (100, {"PERSONALIZE_WORKER__RATE__TPS": "200"}, [], 200),
        (100, {"PERSONALIZE_WORKER__RATE__TPS": "200"}, ["rate.tps=300"], 300),
        (None, {}, ["rate.tps=300", "rate.tps=400"], 400),
    ],
)
def test_a_flag_wins_over_the_environment_which_wins_over_the_file(
    file: int | None,
    environment: dict[str, str],
    flags: list[str],
    tps: int,
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_users(tmp_path, 1)
    config = write_config(rate={"tps": file})
    settings = [f"--set={flag}" for flag in flags]
    result = command("plan", config, "--json", *settings, env=environment)
    assert json.loads(result.stdout)["tps"] == tps


def test_explain_tells_all_about_a_result_a_failed_row_and_an_unknown_id(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(_fail_u0002) as service:
        config = write_config(target={"endpoint_url": service.url})
        assert command("run", config).returncode == 3
    found = json.loads(command("explain", "out", "u0001", "--json").stdout)
    (row,) = found["rows"]
    assert (row["part"], row["state"], row["errors"]) == ("part-00000.parquet", "done", [])
    assert [request["userId"] for request in row["requests"]] == ["u0001"]
    assert row["results"][0]["items"][0]["item_id"] == "item-of-u0001"
    assert row["results"][0]["attempts"] == 1
    text = command("explain", "out", "u0002")
    assert text.returncode == 0
    for word in ("u0002", "failed", "InvalidInputException", "not this one", '"attempts": 1'):
        assert word in text.stdout
    assert_advice(command("explain", "out", "nobody"), 2, "no row", "'nobody'", "USER_ID")


def test_a_run_without_a_terminal_writes_plain_lines_and_no_personal_data(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5)
    secrets = {
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_SESSION_TOKEN": TOKEN,
    }
    with serving(_fail_u0002) as service:
        address = {"AWS_ENDPOINT_URL_PERSONALIZE_RUNTIME": service.url}
        result = command("run", write_config(), env={**secrets, **address})
    assert result.returncode == 3
    assert {request.headers["X-Amz-Security-Token"] for request in service.received} == {TOKEN}
    assert re.search(r"^20\d\d-\S+ info start .*rows=5", result.stderr)
    assert "rows read" in result.stdout
    run = (tmp_path / "out" / "_run.json").read_text()
    for shown in (result.stdout, result.stderr, run, json.dumps(success(tmp_path / "out"))):
        assert ESCAPE not in shown
        for private in (*secrets.values(), *user_ids(5)):
            assert private not in shown


def test_quiet_says_nothing_and_json_is_the_summary(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url})
        result = command("run", config, "-q", "--json")
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == success(tmp_path / "out")


def test_json_logs_are_json_on_every_line(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5)
    with serving(echo) as service:
        config = write_config(target={"endpoint_url": service.url}, output={"rows_per_part": 2})
        result = command("run", config, "-v", "--log-format", "json")
    assert result.returncode == 0
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["start", "committed", "committed", "committed"]
    for line in lines:
        assert line.keys() >= {"time", "level", "event"}


def test_nobody_reading_stdout_is_no_error(tmp_path: Path, write_config: WriteConfig) -> None:
    write_users(tmp_path, 3)
    for arguments in (("schema",), ("plan", write_config())):
        result = run_with_closed_stdout(*arguments, folder=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")


def test_nobody_reading_stdout_does_not_hide_failed_rows(
    tmp_path: Path, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(_fail_u0002) as service:
        config = write_config(target={"endpoint_url": service.url})
        result = run_with_closed_stdout("run", config, folder=tmp_path)
    assert values(results(tmp_path / "out"), "USER_ID") == ["u0001", "u0003"]
    assert_advice(result, 3, "1 rows failed")
