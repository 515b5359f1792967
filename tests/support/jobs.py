"""Jobs over inputs of a test, for tests of one step of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.runs import campaign_arn

from worker.config.model import Config
from worker.job import Job, open_job


def job_over(path: Path, columns: Mapping[str, Any], **sections: dict[str, Any]) -> Job:
    """Open a job of GetRecommendations over what is at `path`; its output is `out` beside it.

    `sections` of the config are added to that.
    """
    values: dict[str, Any] = {
        "target": {"operation": "GetRecommendations", "campaign_arn": campaign_arn("c")},
        "input": {"path": str(path), "columns": columns},
        "output": {"path": str(path.parent / "out")},
    }
    for name, keys in sections.items():
        values[name] = {**values.get(name, {}), **keys}
    return open_job(Config.model_validate(values))
