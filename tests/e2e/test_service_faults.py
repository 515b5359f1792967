"""Faults of the service: what is tried again, what is one row's fault, what ends the run."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.runs import (
    RANKING,
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    results,
    success,
    user_ids,
    values,
    write_parquet,
    write_users,
)
from support.scripts import (
    FirstAttempts,
    Gate,
    Reply,
    Script,
    asked_for,
    echo,
    error,
    items,
    serving,
)
from support.services import Request

POISON = "u0003"


def _poisoned(reply: Reply) -> Script:
    """Return a script that always answers one user with `reply`, all others with success."""

    def script(request: Request) -> Reply:
        return reply if asked_for(request) == POISON else echo(request)

    return script


def _run(
    command: RunCommand, write_config: WriteConfig, script: Script, **sections: dict[str, Any]
) -> tuple[Any, Counter[str]]:
    """Run the config against `script`; return the result, and how often each user was asked for."""
    with serving(script) as service:
        config = write_config(**{**sections, "target": {"endpoint_url": service.url}})
        result = command("run", config)
    return result, Counter(asked_for(request) for request in service.received)


FAULTS = {
    "throttled with 400": error("ThrottlingException", 400, "Rate exceeded"),
    "throttled with a bare 429": Reply(status=429),
    "500 in HTML": Reply(status=500, raw=b"<html>oops</html>"),
    "503": error("ServiceUnavailableException", 503),
    "dropped connection": Reply(drop=True),
}


def test_an_attempt_that_failed_in_passing_is_made_again(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Each user is named after the fault that meets their first two attempts."""
    users = [*FAULTS, "lucky"]
    write_parquet(tmp_path / "users.parquet", {"USER_ID": users})
    result, asked = _run(command, write_config, FirstAttempts(FAULTS, times=2))
    assert result.returncode == 0, result.stderr
    attempts = [3, 3, 3, 3, 3, 1]
    assert asked == dict(zip(users, attempts, strict=True))
    assert values(results(tmp_path / "out"), "USER_ID") == users
    assert values(results(tmp_path / "out"), "attempts") == attempts
    done = success(tmp_path / "out")
    assert (done["calls"], done["retries"], done["throttles"]) == (16, 10, 4)
    assert not (tmp_path / "out" / "_errors").exists()


def test_a_row_whose_attempts_run_out_is_set_aside_with_its_last_code(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    users = ["lucky", *FAULTS, "lucky too"]
    write_parquet(tmp_path / "users.parquet", {"USER_ID": users})
    script = FirstAttempts(FAULTS, times=3)
    result, asked = _run(command, write_config, script, retry={"attempts_max": 3})
    assert_advice(result, 3, "5 rows failed", "_errors", "stop.error_share_max")
    assert asked == {"lucky": 1, "lucky too": 1, **dict.fromkeys(FAULTS, 3)}
    assert values(results(tmp_path / "out"), "USER_ID") == ["lucky", "lucky too"]
    rows = failed(tmp_path / "out").to_pylist()
    assert {row["USER_ID"]: (row["error_code"], row["http_status"]) for row in rows} == {
        "throttled with 400": ("ThrottlingException", 400),
        "throttled with a bare 429": ("429", 429),
        "500 in HTML": ("500", 500),
        "503": ("ServiceUnavailableException", 503),
        "dropped connection": ("ConnectionLost", None),
    }
    for row in rows:
        assert row["attempts"] == 3
        assert row["error_message"], row
        assert row["request_id"] == (None if row["http_status"] is None else "request-1")
    counted = Counter(row["error_code"] for row in rows)
    assert success(tmp_path / "out")["errors"] == counted


def test_failed_rows_are_the_next_input_as_they_are(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Two rows fail; one of them fails again in another way, and succeeds."""
    columns = {"USER_ID": user_ids(5), "LOCALE": ["de", "fr", "it", "en", "es"]}
    write_parquet(tmp_path / "users.parquet", columns)
    fault = error("InvalidInputException", 400, "no such user")
    faults = FirstAttempts({POISON: fault, "u0005": fault})
    result, asked = _run(command, write_config, faults, stop={"error_share_max": 0.4})
    assert result.returncode == 0, result.stderr
    assert set(asked.values()) == {1}
    assert success(tmp_path / "out")["within_tolerance"]
    again: dict[str, Any] = {
        "input": {"path": "out/_errors", "keep": ["LOCALE"]},
        "output": {"path": "again"},
    }
    garbled = _poisoned(Reply(raw=b"[]"))
    assert _run(command, write_config, garbled, **again)[0].returncode == 3
    first, second = failed(tmp_path / "out"), failed(tmp_path / "again")
    assert second.schema.equals(first.schema)
    told = ["USER_ID", "LOCALE", "error_code", "attempts"]
    rows = [*first.select(told).to_pylist(), *second.select(told).to_pylist()]
    assert [tuple(row.values()) for row in rows] == [
        (POISON, "it", "InvalidInputException", 1),
        ("u0005", "es", "InvalidInputException", 1),
        (POISON, "it", "InvalidAnswer", 1),
    ]
    assert first.to_pylist()[0]["error_message"] == "no such user"
    last = {**again, "input": {"path": "again/_errors", "keep": ["LOCALE"]}}
    result, asked = _run(command, write_config, echo, **{**last, "output": {"path": "last"}})
    assert result.returncode == 0, result.stderr
    assert asked == {POISON: 1}
    (row,) = results(tmp_path / "last").to_pylist()
    assert (row["USER_ID"], row["LOCALE"], row["attempts"]) == (POISON, "it", 1)


REFUSED = {
    "no permission": error("AccessDeniedException", 403, "User is not authorized"),
    "no such campaign": error("ResourceNotFoundException", 404, "campaign does not exist"),
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED.keys())
def test_a_service_that_refuses_the_run_is_asked_no_more(
    reply: Reply, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 200)
    result, asked = _run(command, write_config, lambda _: reply, rate={"in_flight_max": 4})
    assert_advice(result, 4, str(reply.error_type), reply.body["message"])
    assert asked.total() <= 4
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    assert not list((tmp_path / "out").glob("part-*"))


@pytest.mark.parametrize("rows", [3, 200])
def test_a_wrong_recipe_that_rejects_every_row_ends_the_run(
    rows: int, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, rows)
    reply = error("InvalidInputException", 400, "The recipe does not support this operation")
    result, asked = _run(command, write_config, lambda _: reply, rate={"in_flight_max": 4})
    assert_advice(result, 4, "InvalidInputException", "does not support", "recipe")
    assert asked.total() <= min(rows, 100 + 4)
    assert set(asked.values()) == {1}
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_a_few_users_in_many_parts_that_are_all_rejected_end_the_run_too(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """A hundred rejections never come together: identical requests of a part are sent once."""
    write_parquet(tmp_path / "users.parquet", {"USER_ID": user_ids(3) * 50})
    reply = error("InvalidInputException", 400, "The recipe does not support this operation")
    result, asked = _run(command, write_config, lambda _: reply, output={"rows_per_part": 30})
    assert_advice(result, 4, "InvalidInputException", "does not support", "recipe")
    assert asked == dict.fromkeys(user_ids(3), 5)
    assert not (tmp_path / "out" / "_SUCCESS").exists()


def test_a_few_rows_in_parts_that_reach_nobody_stop_the_run_before_any_is_failed(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 6)
    silent = {"output": {"rows_per_part": 2}, "retry": {"attempts_max": 1}}
    result, _ = _run(command, write_config, lambda _: Reply(drop=True), **silent)
    assert_advice(result, 75, "does not answer", "ConnectionLost", "run the same command again")
    assert not (tmp_path / "out" / "_errors").exists()
    result, _ = _run(command, write_config, echo, **silent)
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(6)


def test_the_emulator_refuses_a_campaign_of_another_kind(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 40)
    target = {"campaign_arn": RANKING["campaign_arn"], "endpoint_url": emulator_url}
    config = write_config(target=target)
    assert_advice(command("run", config), 4, "InvalidInputException", "recipe")


@pytest.fixture
def refusing_url() -> Iterator[str]:
    """Yield an address that refuses connections: a port that is taken, but not listened at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("rows", [3, 40])
def test_a_service_that_is_down_stops_the_run_resumably(
    rows: int, refusing_url: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, rows)
    down = write_config(
        target={"endpoint_url": refusing_url}, retry={"attempts_max": 2}, stop={"outage_s": 0.5}
    )
    assert_advice(command("run", down), 75, "does not answer", "run the same command again")
    assert not (tmp_path / "out" / "_SUCCESS").exists()
    result, asked = _run(command, write_config, echo)
    assert result.returncode == 0, result.stderr
    assert asked == dict.fromkeys(user_ids(rows), 1)
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(rows)


def test_an_answer_that_takes_too_long_is_given_up_and_asked_for_again(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 5)
    gate = Gate(0)

    def script(request: Request) -> Reply:
        return gate(request) if asked_for(request) == POISON else echo(request)

    with serving(script) as service:
        config = write_config(
            target={"endpoint_url": service.url}, retry={"attempts_max": 2, "timeout_s": 0.3}
        )
        result = command("run", config)
        gate.open()
    assert_advice(result, 3, "1 rows failed")
    (row,) = failed(tmp_path / "out").to_pylist()
    assert (row["USER_ID"], row["error_code"], row["attempts"]) == (POISON, "TimedOut", 2)
    assert (row["http_status"], row["request_id"]) == (None, None)
    assert "0.3 s" in row["error_message"]


MALFORMED = {
    "not JSON": Reply(raw=b"<html>"),
    "cut JSON": Reply(raw=b'{"itemList": [{"itemId": "i1"'),
    "no object": Reply(raw=b"[]"),
    "null": Reply(raw=b"null"),
    "a score that is text": items("i1", score="high"),
    "a list that is text": Reply(body={"itemList": "i1,i2"}),
    "items that are text": Reply(body={"itemList": ["i1"]}),
    "an item without ID": Reply(body={"itemList": [{"score": 0.5}]}),
    "a recommendation ID that is a number": Reply(body={"itemList": [], "recommendationId": 7}),
}


def test_an_answer_of_a_wrong_shape_harms_its_own_row_only(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Each user is named after the answer that they get."""
    write_parquet(tmp_path / "users.parquet", {"USER_ID": ["lucky", *MALFORMED, "lucky too"]})
    result, asked = _run(command, write_config, FirstAttempts(MALFORMED))
    assert_advice(result, 3, f"{len(MALFORMED)} rows failed")
    assert set(asked.values()) == {1}
    assert values(results(tmp_path / "out"), "USER_ID") == ["lucky", "lucky too"]
    rows = failed(tmp_path / "out").to_pylist()
    assert [row["USER_ID"] for row in rows] == list(MALFORMED)
    assert {(row["error_code"], row["http_status"]) for row in rows} == {("InvalidAnswer", 200)}
