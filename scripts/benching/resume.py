"""Mode `resume`: the time to the first request of a huge run of which 99 % are done."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import chain, islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pyarrow as pa

from benching.job import Job, users_file, worker_environment
from benching.process import PROJECT, BenchError
from benching.server import Server
from benching.start import arrivals
from worker.codec.digests import NO_REQUEST, request_digest
from worker.config.load import load_config
from worker.job import Job as OpenJob
from worker.job import open_job
from worker.model import Answer, Batch, Outcome
from worker.output.part_writer import PartWriter
from worker.output.run_folder import claim
from worker.output.spool import write_spool
from worker.output.spool_format import Mark, Settled
from worker.store.local import LocalStore

DONE_SHARE = 0.99
TIMES = 3
_BLOCK_ROWS = 32  # as pipeline/_spool_keeper.py packs them
_TIMEOUT_S = 600.0
_POLL_S = 0.01
_OUTCOME = Outcome(
    Answer(b'{"itemList":[{"itemId":"item-000001","score":1.0}],"recommendationId":"RID"}', "r"),
    attempts=1, throttles=0, sent_us=1, latency_ms=20.0,
)  # fmt: skip


class Case(NamedTuple):
    """A run, and how it was left."""

    rows: int
    rows_per_part: int
    in_spool: bool = False  # what is done of the only part, else parts that are committed

    @property
    def name(self) -> str:
        """Return what is there, in words."""
        where = "kept of one part" if self.in_spool else f"committed, {self.rows_per_part:,} a part"
        return f"{round(self.rows * DONE_SHARE):,} of {self.rows:,} rows {where}"


CASES = (
    Case(10_000_000, 100_000),
    Case(10_000_000, 10_000),
    Case(100_000, 100_000, in_spool=True),
    Case(1_000_000, 1_000_000, in_spool=True),
)
QUICK_CASES = (Case(100_000, 1_000), Case(100_000, 100_000, in_spool=True))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--transport", help="target.transport (default: the project's)")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Make each case, and start it several times."""
    found = []
    with arrivals() as (endpoint, arrived):
        for case in QUICK_CASES if options.quick else CASES:
            job = Job(
                endpoint=endpoint,
                certificate=server.certificate,
                items=1,
                rows=case.rows,
                transport=options.transport,
                rows_per_part=case.rows_per_part,
            )
            output, config = scratch / "resumed", scratch / "resume.toml"
            users = users_file(scratch, case.rows)
            os.utime(users, (hour_ago := time.time() - 3600, hour_ago))  # trusted, not compared
            config.write_text(job.config(users, output))
            times, peaks = list[float](), list[float]()
            for _ in range(TIMES):
                _leave(case, config, output)
                seconds, peak_mib = _first_request(config, scratch, arrived)
                times.append(seconds)
                peaks.append(peak_mib)
                shutil.rmtree(output)
            print(f"{case.name}: {median(times):.2f} s", file=sys.stderr)
            found.append({"case": case.name, "seconds": times, "peak_mib": max(peaks)})
    return {"cases": found}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    lines = [f"| median of {TIMES} | s to the first request | peak MiB by then |", "|---|--:|--:|"]
    lines += [
        f"| {case['case']} | {median(case['seconds']):.2f} | {case['peak_mib']:,.0f} |"
        for case in found["cases"]
    ]
    return "\n".join(lines)


def _leave(case: Case, config: Path, output: Path) -> None:
    """Make the output as a killed run leaves it. Its parts are all the same file, to save time."""
    job, store = open_job(load_config(config, settings=(), environ={})), LocalStore(output)
    with store.claim():
        claim(job, store, overwrite=False)
        if case.in_spool:
            _keep(job, store, round(case.rows * DONE_SHARE))
            return
        done = round(len(job.source.chunks) * DONE_SHARE)
        first = job.source.chunks[0]
        writer = PartWriter(
            store,
            first,
            copied=job.copied,
            shape=job.shape,
            results_schema=job.results_schema,
            errors_schema=job.errors_schema,
            exploded=False,
            compression=job.config.output.compression,
        )
        for batch in _batches(job):
            writer.add(batch)
        writer.commit(job.reader_of_all())
        for chunk in job.source.chunks[1:done]:
            os.link(output / first.part_name, output / chunk.part_name)


def _batches(job: OpenJob) -> Sequence[Batch]:
    """Return the answered batches of the first chunk."""
    return [
        Batch(
            chunk=job.source.chunks[0], sequence=0, first_row=0, is_last=False, rows=rows,
            outcomes=[_OUTCOME] * rows.num_rows, open_rows=0, held_bytes=0,
            kept=bytearray(rows.num_rows), digests=bytearray().join(_digests(job, rows)),
        )
        for rows in job.read(job.source.chunks[0])
    ]  # fmt: skip


def _keep(job: OpenJob, store: LocalStore, rows: int) -> None:
    chunk = job.source.chunks[0]
    digests = chain.from_iterable(_digests(job, some) for some in job.read(chunk))
    settled = (
        Settled(row, _OUTCOME, each) for row, each in zip(range(rows), digests, strict=False)
    )
    blocks = iter(lambda: list(islice(settled, _BLOCK_ROWS)), [])
    write_spool(store.spool(job.run_id, chunk.part_name), Mark.of(job.run_id, chunk), blocks)


def _digests(job: OpenJob, rows: pa.RecordBatch) -> list[bytes]:
    built = job.builder.build(rows)
    return [request_digest(each) if isinstance(each, bytes) else NO_REQUEST for each in built]


def _first_request(config: Path, scratch: Path, arrived: list[float]) -> tuple[float, float]:
    """Return the seconds from the start of the process, and its peak memory; then kill it."""
    arrived.clear()
    begun_s = time.monotonic()  # of the whole machine, so the same to the server's thread
    command = [sys.executable, "-m", "worker", "run", str(config), "-q"]
    env = worker_environment(scratch)
    with subprocess.Popen(command, env=env, cwd=PROJECT, stdin=subprocess.DEVNULL) as process:
        try:
            while not arrived:
                if process.poll() is not None or time.monotonic() > begun_s + _TIMEOUT_S:
                    raise BenchError("the run made no request", hint="its own words are above")
                time.sleep(_POLL_S)
            lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            peak_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
        finally:
            process.kill()
    return arrived[0] - begun_s, peak_kib / 1024
