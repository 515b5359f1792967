"""A run that was refused before anything was answered: its folder is free for the next."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.runs import (
    RunCommand,
    WriteConfig,
    assert_advice,
    campaign_arn,
    results,
    user_ids,
    write_users,
)
from support.scripts import Reply, echo, error, serving

REFUSED = {
    "an ARN with a typo": error("ResourceNotFoundException", 404, "campaign does not exist"),
    "no permission": error("AccessDeniedException", 403, "User is not authorized"),
    "a wrong recipe": error("InvalidInputException", 400, "The recipe does not support this"),
    "something else": Reply(status=200, body={"hello": "world"}),
}


@pytest.mark.parametrize("reply", REFUSED.values(), ids=REFUSED.keys())
def test_its_folder_is_taken_over_by_a_run_with_another_arn(
    reply: Reply, tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 200)
    with serving(lambda _: reply) as service:
        wrong = write_config(
            target={"endpoint_url": service.url, "campaign_arn": campaign_arn("hmoe-feed")}
        )
        assert command("run", wrong).returncode == 4
    with serving(echo) as service:
        right = write_config(
            target={"endpoint_url": service.url, "campaign_arn": campaign_arn("home-feed")}
        )
        assert command("plan", right).returncode == 0
        assert command("run", right).returncode == 0
    assert results(tmp_path / "out")["USER_ID"].to_pylist() == user_ids(200)


def test_a_run_that_has_one_answer_keeps_its_folder(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 9)
    with serving(echo) as service:
        first = write_config(target={"endpoint_url": service.url}, stop={"calls_max": 1})
        assert command("run", first).returncode == 75
        other = write_config(
            target={"endpoint_url": service.url, "campaign_arn": campaign_arn("other")}
        )
        for verb in ("plan", "run"):
            assert_advice(command(verb, other), 6, "holds another run", "target.campaign_arn")
