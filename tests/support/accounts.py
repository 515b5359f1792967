"""What a run has committed, and whether all of it adds up."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow.parquet as pq
from support.runs import failed, part_paths, results, success, values


def committed(output: Path) -> dict[str, bytes]:
    """Return the content of every committed file, failed rows too."""
    paths = [*part_paths(output), *part_paths(output / "_errors")]
    return {str(path.relative_to(output)): path.read_bytes() for path in paths}


def recommendation_ids(output: Path) -> dict[str, str]:
    """Return the recommendationId of every committed result, by user."""
    if not part_paths(output):
        return {}
    rows = results(output)
    return dict(zip(values(rows, "USER_ID"), values(rows, "recommendation_id"), strict=True))


def assert_each_row_once(output: Path, users: list[str]) -> None:
    """Assert that the users are there in their order, each as a result or a failed row."""
    done = values(results(output), "USER_ID")
    lost = values(failed(output), "USER_ID") if part_paths(output / "_errors") else []
    assert sorted([*done, *lost]) == sorted(users)
    assert done == [user for user in users if user not in {*lost}]


def assert_summary_adds_up(output: Path) -> None:
    """Assert that `_SUCCESS` tells the truth about the files beside it."""
    done = success(output)
    assert done["rows_read"] == done["results"] + done["rows_failed"]
    assert done["rows_failed"] == sum(done["errors"].values())
    paths = {str(path.relative_to(output)): path for path in output.rglob("part-*.parquet")}
    assert {part["name"] for part in done["parts"]} == paths.keys()
    for part in done["parts"]:
        content = paths[part["name"]].read_bytes()
        assert part["rows"] == pq.read_metadata(paths[part["name"]]).num_rows
        assert part["bytes"] == len(content)
        assert part["sha256"] == hashlib.sha256(content).hexdigest()
    in_parts = dict.fromkeys(("results", "rows_failed"), 0)
    for part in done["parts"]:
        in_parts["rows_failed" if "_errors" in part["name"] else "results"] += part["rows"]
    assert in_parts == {"results": done["results"], "rows_failed": done["rows_failed"]}


def assert_only_final_names(output: Path) -> None:
    """Assert that nothing temporary, spooled or locked is left."""
    names = {path.name for path in output.iterdir() if path.name[0] in "._"}
    assert names <= {"_SUCCESS", "_errors", "_report.html", "_run.json"}
