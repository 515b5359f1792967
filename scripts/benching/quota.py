"""Mode `quota`: the highest rate that is kept by a process that has a quarter of a core."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from os import getpid
from pathlib import Path
from typing import Any, NamedTuple

from benching.job import TPS_MAX, Job, finished
from benching.pace import achieved_per_s, sent_us
from benching.process import BenchError, environment, measure
from benching.server import Server

CORES = 0.25
HELD_SHARE = 0.99  # of the rate asked for
TRIES = 7  # each halves what is not known of the rate
PROBE_ROWS = 500
QUICK_S = 3.0
_PERIOD_US = 100_000
_GROUPS = Path("/sys/fs/cgroup")
_ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


class Try(NamedTuple):
    """A rate that was asked for, and what came of it."""

    tps: float
    achieved: float
    cores: float  # used

    @property
    def is_held(self) -> bool:
        """Whether the rate was kept."""
        return self.achieved >= HELD_SHARE * self.tps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--seconds", type=float, default=20.0, help="of each try (default: 20)")
    parser.add_argument("--transport", help="target.transport (default: the project's)")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Find how fast the job is with a quarter of a core, then which rate it keeps."""
    seconds = QUICK_S if options.quick else options.seconds
    with quarter_core(scratch) as prefix:
        if prefix is None:
            return {"skipped": "it takes systemd-run, or root and a cgroup with a cpu controller"}

        def try_rate(tps: float, rows: int) -> Try:
            job = Job(
                endpoint=server.endpoint(tls=True, items=25),
                certificate=server.certificate,
                items=25,
                rows=rows,
                tps=tps,
                transport=options.transport,
            )
            with finished(job, scratch, timeout_s=120 + 20 * seconds, prefix=prefix) as done:
                usage, output = done
                tried = Try(tps, achieved_per_s(sent_us(output)), usage.cpu_s / usage.wall_s)
            print(
                f"{tps:,.0f}/s: {tried.achieved:,.0f}/s, {tried.cores:.2f} cores", file=sys.stderr
            )
            return tried

        limit, tries = bisect(try_rate, seconds)
    return {
        "cores": CORES,
        "limit_per_s": limit.achieved,
        "tries": [tried._asdict() for tried in sorted(tries)],
    }


def show(found: dict[str, Any]) -> str:
    """Return what was found, as a sentence and the table of what was tried, in Markdown."""
    if "skipped" in found:
        return f"quota: skipped; {found['skipped']}"
    tries = [Try(**tried) for tried in found["tries"]]
    held = max((tried.tps for tried in tries if tried.is_held), default=0.0)
    highest = (
        f"With {found['cores']} of a core, highest rate kept to {HELD_SHARE:.0%}: {held:,.0f}/s; "
        f"without a rate: {found['limit_per_s']:,.0f}/s"
    )
    lines = [
        highest,
        "",
        "| asked for | achieved | cores |",
        "|--:|--:|--:|",
    ]
    for tps, achieved, cores in tries:
        lines.append(f"| {tps:,.0f}/s | {achieved:,.0f}/s ({achieved / tps:.1%}) | {cores:.2f} |")
    return "\n".join(lines)


def bisect(try_rate: Callable[[float, int], Try], seconds: float) -> tuple[Try, list[Try]]:
    """Return how fast it is without a rate, and the rates tried to find the highest that is kept.

    A call costs more at a rate than without: between calls the processor's caches go cold.
    """
    probe = try_rate(TPS_MAX, PROBE_ROWS)
    limit = try_rate(TPS_MAX, max(PROBE_ROWS, round(probe.achieved * seconds)))
    tries = list[Try]()
    low, high = 0.0, min(float(TPS_MAX), limit.achieved)
    for _ in range(TRIES):
        tps = round((low + high) / 2, 1)
        tries.append(tried := try_rate(tps, max(PROBE_ROWS, round(tps * seconds))))
        low, high = (tps, high) if tried.is_held else (low, tps)
    return limit, tries


@contextmanager
def quarter_core(scratch: Path) -> Iterator[Sequence[str] | None]:
    """Yield what to put before a command to give it a quarter of a core; None when nothing can."""
    scope = ["systemd-run", "--scope", "--quiet", f"--property=CPUQuota={CORES:.0%}"]
    for prefix in (scope, [*scope, "--user"]):
        if shutil.which("systemd-run") and _works(prefix, scratch):
            yield prefix
            return
    group = _make_group()
    try:
        prefix = ["/bin/sh", "-c", _ENTER, str(group)]
        yield prefix if group is not None and _works(prefix, scratch) else None
    finally:
        if group is not None:
            _remove(group)


def _works(prefix: Sequence[str], scratch: Path) -> bool:
    try:
        measure([*prefix, "true"], scratch=scratch, env=environment(), timeout_s=20)
    except BenchError:
        return False
    return True


def _make_group() -> Path | None:
    """Return a cgroup of this process's own with the quota: version 2, else 1; None if neither."""
    quota_us = round(CORES * _PERIOD_US)
    for parent, file, value in (
        (_GROUPS, "cpu.max", f"{quota_us} {_PERIOD_US}"),
        (_GROUPS / "cpu", "cpu.cfs_quota_us", f"{quota_us}"),
    ):
        if not (parent / "cgroup.procs").exists():
            continue
        group = parent / f"personalize-worker-bench-{getpid()}"
        try:
            group.mkdir()
            if (group / file).exists():  # not where the parent's groups have no cpu controller
                (group / file).write_text(value)
                return group
        except OSError:  # not root, or read-only as in most containers
            pass
        _remove(group)
    return None


def _remove(group: Path) -> None:
    for _ in range(20):
        with suppress(OSError):  # the kernel may be a moment behind
            group.rmdir()
        if not group.exists():
            return
        time.sleep(0.1)
