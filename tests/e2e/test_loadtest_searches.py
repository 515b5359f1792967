"""`loadtest` with a search, the real command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.runs import ANY_CLIENT, RunCommand, WriteConfig, assert_advice, write_users
from support.scripts import error, serving


def test_a_search_ends_at_the_highest_rate_that_is_to_be_tried(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    """The emulator has more capacity than that. How near to it: `scripts/bench search`."""
    write_users(tmp_path, 50)
    campaign = {"name": "user-personalization", "recipe": "aws-user-personalization-v2"}
    search = {"tps_max": 60, "tps_start": 20, "step_s": 0.5, "p99_ms_max": 60_000}
    config = write_config(
        price={"per_1000_usd": 0.0556},
        loadtest={**ANY_CLIENT, "search": search},
        emulator={
            "campaigns": [{**campaign, "min_provisioned_tps": 100}],
            "capacity": {},
        },
    )
    done = command("loadtest", config, "--emulator", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    search = found["search"]
    assert (search["held_tps"], search["at_once_tps"], search["failed_tps"]) == (60, 60, None)
    assert search["min_provisioned_tps_recommended"] - search["held_tps"] < 1
    month_usd = search["min_provisioned_tps_recommended"] * 730 * 3600 / 1000 * 0.0556
    assert search["month_usd_estimate"] == pytest.approx(month_usd)
    assert search["confidence"]["samples"] == found["stages"][-1]["calls"] > 50
    judged = [stage for stage in found["stages"] if stage["held"] is not None]
    steps = [(stage["phase"], stage["to_tps"], stage["held"]) for stage in judged]
    assert steps == [
        (*step, True) for step in (("grow", 20), ("grow", 40), ("grow", 60), ("confirm", 60))
    ]
    assert [stage["planned_seconds"] for stage in judged] == pytest.approx([0.45] * 3 + [1.35])


def test_a_search_that_finds_no_rate_ends_with_5(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    with serving(lambda _: error("ThrottlingException", 400)) as service:
        search = {"tps_max": 5, "tps_start": 2, "step_s": 0.6}
        config = write_config(
            target={"endpoint_url": service.url}, loadtest={**ANY_CLIENT, "search": search}
        )
        done = command("loadtest", config)
    assert_advice(done, 5, "no rate was held")
    assert re.search("rate held +none", done.stdout)
