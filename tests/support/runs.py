"""Runs of the real command: their inputs, their environment, and what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from support.places import mark_at, spool_at

from worker.output.spool import Spool
from worker.store.local import SPOOL

WriteConfig = Callable[..., Path]
PROJECT = Path(__file__).parents[2]
EVENT_TIMEOUT_S = 30.0
COMMAND_TIMEOUT_S = 60

Result = subprocess.CompletedProcess[str]
RunCommand = Callable[..., Result]


def campaign_arn(name: str) -> str:
    """Return the ARN of an emulated campaign."""
    return f"arn:aws:personalize:us-east-1:000000000000:campaign/{name}"


# A load test whose verdict does not ask whether the client itself was late: machines may be busy.
ANY_CLIENT = {"late_share_max": 1.0}

PARTS_OF_TEN: dict[str, Any] = {
    "output": {"rows_per_part": 10},
    "rate": {"in_flight_max": 4},
    "retry": {"timeout_s": 60},  # a call that a gate holds must not be given up
}

FILTER_ARN = "arn:aws:personalize:us-east-1:000000000000:filter/genre"
RECOMMENDER_ARN = "arn:aws:personalize:us-east-1:000000000000:recommender/top-picks"
RANKING = {
    "operation": "GetPersonalizedRanking",
    "campaign_arn": campaign_arn("personalized-ranking"),
}
RANKING_COLUMNS = {"user_id": "USER_ID", "item_list": "ITEMS"}
ACTIONS = {
    "operation": "GetActionRecommendations",
    "campaign_arn": campaign_arn("next-best-action"),
}

_ITEM: list[tuple[str, pa.DataType]] = [
    ("item_id", pa.string()),
    ("score", pa.float64()),
    ("promotion_name", pa.string()),
    ("reason", pa.list_(pa.string())),
    ("metadata", pa.map_(pa.string(), pa.string())),
]
# Of the output column named by the key: what its structs hold.
LISTED = {
    "items": pa.struct(_ITEM),
    "actions": pa.struct([("action_id", pa.string()), ("score", pa.float64())]),
}


def clean_environment(extra: Mapping[str, str] = {}) -> dict[str, str]:
    """Return this process's environment without anything that AWS or this program listens to.

    The metadata service is off, so that a missing credential is not searched for on the network.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "PERSONALIZE_WORKER__"))
    }
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull, **extra}  # fmt: skip


def toml(value: Any) -> str:
    """Return `value` as inline TOML: enough for configs in tests."""
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)  # TOML has the same escapes
        case Path():
            return toml(str(value))
        case Mapping():
            pairs = (f"{toml(str(key))} = {toml(part)}" for key, part in value.items())
            return "{ " + ", ".join(pairs) + " }"
        case Sequence():
            return "[" + ", ".join(toml(part) for part in value) + "]"
        case _:
            return str(value)


def user_ids(count: int) -> list[str]:
    """Return the first IDs of the emulator's made-up users."""
    return [f"u{number:04}" for number in range(1, count + 1)]


def write_parquet(path: Path, columns: Mapping[str, Any] | pa.Table, **options: Any) -> Path:
    """Write a Parquet file, its folder too; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    pq.write_table(table, path, **options)
    return path


def write_users(folder: Path, count: int) -> Path:
    """Write the input that `write_config` names."""
    return write_parquet(folder / "users.parquet", {"USER_ID": user_ids(count)})


def write_hive_users(folder: Path) -> None:
    """Write five users with AGE, TIER and the hive key `date`, a row a row group, and litter."""
    people: dict[str, dict[str, Any]] = {
        "date=1/a.parquet": {"USER_ID": ["u1", "u2"], "AGE": [20, 30], "TIER": ["gold", "tin"]},
        "date=1/b.parquet": {"USER_ID": ["u3", "u4"], "AGE": [40, 50], "TIER": ["gold", None]},
        "date=2/a.parquet": {"USER_ID": ["u5"], "AGE": [60], "TIER": ["gold"]},
    }
    for name, columns in people.items():
        write_parquet(folder / name, columns, row_group_size=1)
    (folder / "_SUCCESS").write_text("{}")
    (folder / "date=1" / ".a.parquet.crc").write_bytes(b"crc")


def results(output: Path) -> pa.Table:
    """Return the parts of a run, in the order of their names."""
    return pa.concat_tables([pq.read_table(part) for part in part_paths(output)])


def failed(output: Path) -> pa.Table:
    """Return the failed rows of a run."""
    return pa.concat_tables([pq.read_table(part) for part in part_paths(output / "_errors")])


def output_schema(copied: list[tuple[str, pa.DataType]], layout: str, column: str) -> pa.Schema:
    """Return the schema of results as the README has it; `column` is items or actions."""
    fields = [(field.name, field.type) for field in LISTED[column]]
    lists = {"nested": [(column, pa.list_(LISTED[column]))],
             "exploded": [("rank", pa.int32()), *fields]}  # fmt: skip
    call = [
        ("requested_at", pa.timestamp("us", "UTC")),
        ("latency_ms", pa.float32()),
        ("attempts", pa.int8()),
        ("request_id", pa.string()),
    ]
    return pa.schema([*copied, ("recommendation_id", pa.string()), *lists[layout], *call])


def values(table: pa.Table, column: str) -> list[Any]:
    """Return a column as Python values."""
    return list(table[column].to_pylist())


def part_paths(output: Path) -> list[Path]:
    """Return the parts in a folder."""
    return sorted(output.glob("part-*.parquet"))


def success(output: Path) -> dict[str, Any]:
    """Return the content of `_SUCCESS`."""
    return dict(json.loads((output / "_SUCCESS").read_text()))


def assert_advice(result: Result, code: int, *says: str) -> None:
    """Assert that a command ended with `code` and advice: what, what was seen, what to do."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    what, hint, to_do = result.stderr.partition("\nhint: ")
    assert "error: " in what, result.stderr
    assert hint, result.stderr
    assert to_do.strip(), result.stderr
    for text in says:
        assert text in result.stderr, result.stderr


@contextmanager
def started(
    *arguments: str | Path, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Start the command; yield its process with pipes; end it if it still runs."""
    with subprocess.Popen(
        [sys.executable, "-m", "worker", *map(str, arguments)],
        cwd=folder,
        env=clean_environment(env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read the process's stderr up to the first line that holds `text`."""
    assert process.stderr is not None
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return
    raise AssertionError(f"no line with {text!r}, but {seen}")


def wait_for_kept_rows(output: Path, part: str, count: int) -> None:
    """Return when so many rows of a part that is not committed are in its spool."""
    spools = f"{SPOOL}/*/{part}"
    wait_until(
        lambda: any(len(kept_at(path).rows(0, 1_000)) == count for path in output.glob(spools))
    )


def kept_at(path: Path) -> Spool:
    """Return the spool of an output folder that is at `path`."""
    return Spool(spool_at(path), mark_at(path))


def wait_for_file(folder: Path, pattern: str) -> Path:
    """Return the file of that name when it is there."""
    wait_until(lambda: any(folder.glob(pattern)))
    (path,) = folder.glob(pattern)
    return path


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return when something is so that another process brings about.

    The process tells nobody of it, so that a look now and then is all that there is.
    """
    deadline_s = time.monotonic() + EVENT_TIMEOUT_S
    while not is_so():
        assert time.monotonic() < deadline_s, "it never came to it"
        time.sleep(0.05)  # there is no event: the one place in which tests look again


def run_with_closed_stdout(*arguments: str | Path, folder: Path) -> Result:
    """Run the command with a stdout that nobody reads any more."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "worker", *map(str, arguments)],
            cwd=folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
        )
    finally:
        os.close(writer)
