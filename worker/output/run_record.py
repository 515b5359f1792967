"""`_run.json`: what a run is. The types of its content, and how they are read. Pure.

A run of another format is another version's: it is not carried on. Reports read it all the same, so
what an older one has not has a default here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from worker import __version__
from worker.config.identity import identity
from worker.input.source import Source
from worker.job import Job

RUN_FORMAT: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRecord:
    """What the input was when the run began, or was last compared with what is done."""

    rows: int = 0  # before `where`
    fingerprint: str  # 64 hex digits over names, sizes and footers
    seen_ns: int = 0  # when the files were looked at, since 1970
    files: Mapping[str, Any] = field(default_factory=dict)  # FileState's fields, by name


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRecord:
    """How the input is divided."""

    parts: int
    batch_rows: int = 0  # at most, of a batch


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """The content of `_run.json`. No secret is in a config, so none is in here."""

    format: int = 1  # of this file, the spool and the books together; absent in 1
    version: str | None = None  # of the program that began the run
    run_id: str  # 16 hex digits over identity and fingerprint; names the folder of the spool
    created_at: str  # UTC
    identity: Mapping[str, Any]  # the keys of the config that count, unless at their default
    config: Mapping[str, Any]  # all of it, as it was
    input: InputRecord
    plan: PlanRecord


def describe_run(job: Job) -> RunRecord:
    """Return the record of a run that begins now."""
    return RunRecord(
        format=RUN_FORMAT,
        version=__version__,
        run_id=job.run_id,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        identity=identity(job.config),
        config=job.config.model_dump(mode="json", exclude_none=True),
        input=describe_input(job.source),
        plan=PlanRecord(parts=len(job.source.chunks), batch_rows=job.batch_rows),
    )


def describe_input(source: Source) -> InputRecord:
    """Return the state of the input's files."""
    return InputRecord(
        rows=source.rows,
        fingerprint=source.fingerprint,
        seen_ns=source.seen_ns,
        files={file.name: file.state._asdict() for file in source.files.values()},
    )
