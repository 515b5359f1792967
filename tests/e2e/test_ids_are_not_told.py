"""User IDs that a service repeats in its messages are in no log line, nor in an error."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.runs import RunCommand, WriteConfig, failed, values, write_parquet
from support.scripts import Reply, asked_for, error, serving
from support.services import Request

ROWS = 150
Repeat = Callable[[str], str]
REPEATED: dict[str, Repeat] = {
    "plain": lambda user: f"no such user {user}",
    "in JSON": lambda user: f"cannot serve {json.dumps({'userId': user})}",
    "in a word": lambda user: f"x{user}y is not allowed",
    "in capitals": lambda user: f"user {user.upper()} is not allowed",
}
ANSWERS: dict[str, tuple[int, str | None]] = {
    "an outage": (500, "InternalFailure"),
    "a refusal": (403, "AccessDeniedException"),
    "an expired token": (403, "ExpiredTokenException"),
    "rejections": (400, "InvalidInputException"),
    "another server": (404, None),
}


def no_name_in(text: str) -> None:
    assert "alice" not in text.lower(), text


@pytest.mark.parametrize("command_name", ["run", "loadtest"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_nothing_on_stderr_has_an_id(
    answer: str, command_name: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    status, code = ANSWERS[answer]
    users = [f"alice{number}@example.com" for number in range(ROWS)]
    write_parquet(tmp_path / "users.parquet", {"USER_ID": users})
    repeats = list(REPEATED.values())

    def script(request: Request) -> Reply:
        message = repeats[request.number % len(repeats)](asked_for(request))
        if code is None:
            return Reply(status, {"message": message})
        return error(code, status, message)

    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            stop={"outage_s": 1.0},
            retry={"attempts_max": 1},
            loadtest={"stages": [{"tps": 300, "seconds": 0.5}]},
        )
        result = command(command_name, config, "-v")
    assert result.returncode != 0
    assert "Traceback" not in result.stderr
    no_name_in(result.stderr)


def test_the_column_of_errors_keeps_the_message(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_parquet(tmp_path / "users.parquet", {"USER_ID": ["alice", "alice2"]})

    def script(request: Request) -> Reply:
        return error("InvalidInputException", 400, f"no such user {asked_for(request)}")

    with serving(script) as service:
        result = command("run", write_config(target={"endpoint_url": service.url}))
    assert result.returncode == 3
    no_name_in(result.stderr)
    told = values(failed(tmp_path / "out"), "error_message")
    assert told == ["no such user alice", "no such user alice2"]
