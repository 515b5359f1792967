"""HTTP 200 with JSON that is no answer: no result of a run, nor a success of a load test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    failed,
    results,
    user_ids,
    values,
    write_users,
)
from support.scripts import Reply, asked_for, echo, serving
from support.services import Request

ROWS = 2000
BODIES: dict[str, Any] = {
    "nothing": {},
    "a gateway's word": {"message": "Forbidden"},
    "a throttle": {"__type": "ThrottlingException", "message": "Rate exceeded"},
    "an error inside": {"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}},
    "another's errors": {"errors": [{"code": 503}]},
    "another spelling": {"itemlist": [{"itemId": "a"}]},
    "another operation": {"personalizedRanking": [{"itemId": "a"}], "recommendationId": "R"},
    # What only the reading of many answers at once tells:
    "a list of something else": {"itemList": [{"id": "a"}], "recommendationId": "R"},
    "wrapped": {"data": {"itemList": [{"itemId": "a"}], "recommendationId": "R"}},
}


@pytest.mark.parametrize(
    ("name", "transport"), [("a gateway's word", "sdk"), *((name, "wire") for name in BODIES)]
)
def test_a_run_is_refused_long_before_all_its_rows_are_called(
    name: str, transport: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, ROWS)
    with serving(lambda _: Reply(body=BODIES[name])) as service:
        config = write_config(
            target={"endpoint_url": service.url, "transport": transport},
            rate={"tps": 1000, "in_flight_max": 8},
        )
        result = command("run", config)
    assert_advice(result, 4, "not Personalize", "InvalidAnswer", "target.endpoint_url")
    assert len(service.received) < ROWS
    assert not list((tmp_path / "out").glob("part-*"))


@pytest.mark.parametrize("name", ["a throttle", "wrapped"])
def test_rows_of_a_refused_run_are_asked_again_by_the_next(
    name: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """Though something else answered them, with HTTP 200."""
    write_users(tmp_path, ROWS)
    with serving(lambda _: Reply(body=BODIES[name])) as service:
        config = write_config(
            target={"endpoint_url": service.url}, rate={"tps": 1000, "in_flight_max": 8}
        )
        assert command("run", config).returncode == 4
    with serving(echo) as service:
        again = command("run", write_config(target={"endpoint_url": service.url}))
        assert again.returncode == 0, again.stderr
    assert len(service.received) == results(tmp_path / "out").num_rows == ROWS
    assert not (tmp_path / "out" / "_errors").exists()


@pytest.mark.parametrize("name", ["nothing", "a throttle", "another operation"])
def test_a_load_test_is_refused_too(
    name: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(lambda _: Reply(body=BODIES[name])) as service:
        stages = [{"tps": 200, "seconds": 600}]
        config = write_config(target={"endpoint_url": service.url}, loadtest={"stages": stages})
        assert_advice(command("loadtest", config), 4, "not Personalize", "InvalidAnswer")


def test_one_row_of_many_fails_alone_and_an_empty_list_is_a_result(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    users = user_ids(len(BODIES) + 2)
    write_users(tmp_path, len(users))
    empty = [{"itemList": [], "recommendationId": "R"}, {"recommendationId": "R"}]
    bodies = dict(zip(users, [*BODIES.values(), *empty], strict=True))

    def script(request: Request) -> Reply:
        return Reply(raw=json.dumps(bodies[asked_for(request)]).encode())

    with serving(script) as service:
        config = write_config(target={"endpoint_url": service.url})
        result = command("run", config)
        assert_advice(result, 3, f"{len(BODIES)} rows failed")
    assert values(results(tmp_path / "out"), "items") == [[], []]
    rows = failed(tmp_path / "out").to_pylist()
    assert [row["USER_ID"] for row in rows] == users[: len(BODIES)]
    assert {(row["error_code"], row["http_status"]) for row in rows} == {("InvalidAnswer", 200)}


def test_the_same_command_carries_on_when_it_is_personalize_that_answers(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 50)
    with serving(lambda _: Reply(body={})) as service:
        assert command("run", write_config(target={"endpoint_url": service.url})).returncode == 4
    with serving(echo) as service:
        result = command("run", write_config(target={"endpoint_url": service.url}))
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == user_ids(50)
