"""This project's whole job, as its users run it: a config, `python -m worker run`, Parquet."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benching.process import ARN, THIS, BenchError, Checkout, Usage, environment, measure

TPS_MAX = 100_000  # no rate limit in practice
_ROW_GROUP = 100_000


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of this project."""

    endpoint: str
    certificate: Path
    items: int
    rows: int
    tps: float = TPS_MAX
    in_flight: int = 64
    transport: str | None = None  # None: the project's default
    rows_per_part: int = 100_000
    arn: str = ARN

    def config(self, users: Path, output: Path) -> str:
        """Return the config as TOML."""
        target = {"operation": "GetRecommendations", "campaign_arn": self.arn}
        target["endpoint_url"] = self.endpoint
        if self.endpoint.startswith("https"):
            target["ca_bundle"] = str(self.certificate)
        if self.transport is not None:
            target["transport"] = self.transport
        sections: dict[str, dict[str, Any]] = {
            "target": target,
            "request": {"num_results": self.items},
            "input": {"path": str(users)},
            "input.columns": {"user_id": "USER_ID"},
            "output": {"path": str(output), "rows_per_part": self.rows_per_part},
            "rate": {"tps": self.tps, "in_flight_max": self.in_flight},
        }
        # Strings and numbers are written alike in JSON and TOML.
        return "\n".join(
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            for name, keys in sections.items()
        )


@contextmanager
def finished(
    job: Job,
    scratch: Path,
    *,
    timeout_s: float,
    prefix: Sequence[str] = (),
    checkout: Checkout = THIS,
) -> Iterator[tuple[Usage, Path]]:
    """Run the job to its end, check it, and yield what it took and its output; then remove that."""
    output, config = scratch / "recommendations", scratch / "job.toml"
    shutil.rmtree(output, ignore_errors=True)
    config.write_text(job.config(users_file(scratch, job.rows), output))
    try:
        usage = measure(
            [*prefix, checkout.python, "-m", "worker", "run", config],
            scratch=scratch,
            env=worker_environment(scratch),
            timeout_s=timeout_s,
            cwd=checkout.folder,
        )
        success = json.loads((output / "_SUCCESS").read_text())
        if success["calls"] != job.rows or success["rows_failed"]:
            raise BenchError(
                f"{job.rows} rows took {success['calls']} calls; {success['rows_failed']} failed",
                hint="calls that fail or are repeated would be measured too; see the errors: "
                f"{success['errors']}",
            )
        check_results(sorted(output.glob("part-*.parquet")), rows=job.rows, items=job.items)
        yield usage, output
    finally:
        shutil.rmtree(output, ignore_errors=True)


def worker_environment(scratch: Path) -> dict[str, str]:
    """Return the environment for this project; its compiled modules are kept in `scratch`."""
    return environment(PYTHONPYCACHEPREFIX=str(scratch / "compiled"))


def users_file(scratch: Path, rows: int) -> Path:
    """Return a Parquet file of so many users, written unless it is there."""
    path = scratch / f"users-{rows}.parquet"
    if not path.exists():
        schema = pa.schema([("USER_ID", pa.string())])
        with pq.ParquetWriter(path, schema) as writer:
            for begin in range(0, rows, _ROW_GROUP):
                numbers = range(begin, min(rows, begin + _ROW_GROUP))
                writer.write_table(pa.table({"USER_ID": [f"user-{n:08}" for n in numbers]}, schema))
    return path


def check_results(files: Sequence[Path], *, rows: int, items: int) -> None:
    """Raise BenchError unless the files hold so many rows with so many items each."""
    found_rows = found_items = 0
    for file in files:
        metadata = pq.read_metadata(file)
        found_rows += metadata.num_rows
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            columns = [group.column(position) for position in range(group.num_columns)]
            # The list's leaf that clients call item_id or itemId.
            found_items += sum(
                column.num_values
                for column in columns
                if column.path_in_schema.lower().replace("_", "").endswith("itemid")
            )
    if (found_rows, found_items) != (rows, rows * items):
        raise BenchError(
            f"{found_rows} rows with {found_items} items were written, "
            f"instead of {rows} with {rows * items}",
            hint="this is a bug, here or in the client that was measured",
        )
