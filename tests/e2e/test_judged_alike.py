"""A run and a load test that get the same answers from the first on end alike, however short."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runs import RunCommand, WriteConfig, assert_advice, write_users
from support.scripts import Reply, error, serving

CALLS = 60
NOT_PERSONALIZE = "what is on the way: it is not Personalize"
# What is answered, the exit code, and the advice.
ANSWERS = {
    "a login page": (Reply(raw=b"<html>log in</html>"), 4, NOT_PERSONALIZE),
    "a redirect": (Reply(302, headers=(("Location", "/login"),)), 4, NOT_PERSONALIZE),
    "a bare 400": (Reply(400, raw=b"<html>no</html>"), 4, NOT_PERSONALIZE),
    "a bare 403": (Reply(403, raw=b"<html>blocked</html>"), 4, NOT_PERSONALIZE),
    "a bare 404": (Reply(404, raw=b""), 4, NOT_PERSONALIZE),
    "a wrong recipe": (error("InvalidInputException", 400, "wrong recipe"), 4, "recipe"),
    "an expired token": (error("ExpiredTokenException", 403, "expired"), 4, "log in again"),
    "unknown keys": (error("UnrecognizedClientException", 403, "unknown"), 4, "log in again"),
    "no permission": (error("AccessDeniedException", 403, "no"), 4, "permissions"),
    "no such campaign": (error("ResourceNotFoundException", 404, "none"), 4, "the ARNs"),
    "a bare 503": (Reply(503, raw=b"<html>busy</html>"), 75, "does not answer"),
    "silence": (Reply(drop=True), 75, "does not answer"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_run_and_a_load_test_end_alike(
    name: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, CALLS)
    reply, code, advice = ANSWERS[name]
    with serving(lambda _: reply) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            retry={"attempts_max": 1},
            stop={"outage_s": 0.5},
            loadtest={"stages": [{"tps": 300, "seconds": CALLS / 300}]},
        )
        assert_advice(command("run", config), code, advice)
        assert not list((tmp_path / "out").glob("_errors/*"))
        of_run = len(service.received)
        of_load = ("--set", f"output.path={str(tmp_path / 'load')!r}")
        assert_advice(command("loadtest", config, *of_load), code, advice)
        assert max(of_run, len(service.received) - of_run) <= 2 * CALLS


@pytest.mark.parametrize("name", ["a login page", "a bare 403"])
def test_the_first_part_that_something_else_has_answered_is_not_committed(
    name: str, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 40)
    reply, code, advice = ANSWERS[name]
    with serving(lambda _: reply) as service:
        target = {"endpoint_url": service.url, "transport": "sdk"}
        config = write_config(target=target, output={"rows_per_part": 10})
        assert_advice(command("run", config), code, advice)
    assert not list((tmp_path / "out").glob("_errors/*"))
