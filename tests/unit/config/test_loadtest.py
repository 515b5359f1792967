"""What [loadtest] may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.runs import campaign_arn, toml

from worker.config.load import load_config
from worker.config.model import Config
from worker.errors import ConfigError

STAGES = [{"tps": 10, "seconds": 1}]


def load(folder: Path, section: dict[str, Any]) -> Config:
    values = {
        "target": {"operation": "GetRecommendations", "campaign_arn": campaign_arn("c")},
        "input": {"path": "users.parquet", "columns": {"user_id": "USER_ID"}},
        "output": {"path": "out"},
        "loadtest": section,
    }
    path = folder / "config.toml"
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in values.items()))
    return load_config(path, settings=[], environ={})


def test_stages_or_a_search_are_enough(tmp_path: Path) -> None:
    stages = load(tmp_path, {"stages": STAGES}).loadtest
    assert stages is not None
    assert (stages.stages[0].tps, stages.stages[0].ramp, stages.order) == (10, False, "cycle")
    search = load(tmp_path, {"search": {"tps_max": 100}}).loadtest
    assert search is not None
    assert search.search is not None
    assert (search.search.tps_max, search.search.throttle_share_max) == (100, 0.001)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({}, "loadtest: needs either stages or search"),
        ({"stages": STAGES, "search": {"tps_max": 50}}, "needs either stages or search"),
        ({"stages": [{"tps": 0, "seconds": 1}]}, "one must have more"),
        ({"stages": [{"tps": 5}]}, "loadtest.stages.0.seconds: is missing"),
        ({"stages": [{"tps": 5, "second": 1}]}, "did you mean loadtest.stages.0.seconds?"),
        ({"stages": STAGES, "thresholds": ["p99 < 5"]}, "did you mean p99_ms? (seen: 'p99 < 5')"),
        ({"stages": STAGES, "order": "random"}, "loadtest.order: should be 'cycle' or 'sample'"),
        ({"search": {}}, "loadtest.search.tps_max: is missing"),
        ({"search": {"tps_max": 50, "p99_max": 1}}, "did you mean loadtest.search.p99_ms_max?"),
        ({"search": {"tps_max": 5}}, "search.tps_start must not exceed search.tps_max"),
        ({"search": {"tps_max": 50}, "abort_on_breach": True}, "abort_on_breach goes with stages"),
    ],
)
def test_what_is_wrong_is_named_with_advice(
    tmp_path: Path, section: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, section)
    assert problem in caught.value.what
