"""Runs a job inside a program, and prints what of the program is another one afterwards."""

from __future__ import annotations

import gc
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import anyio


def state() -> dict[str, Any]:
    """Return what belongs to a program, and not to what it calls."""
    root, own = logging.getLogger(), logging.getLogger("worker")
    return {
        "signal handlers": {
            number: repr(signal.getsignal(number)) for number in sorted(signal.valid_signals())
        },
        "root logger": [root.level, [repr(each) for each in root.handlers]],
        "own logger": [own.level, own.propagate, [repr(each) for each in own.handlers]],
        "collector": [gc.get_threshold(), gc.get_freeze_count(), gc.isenabled()],
        "environment": dict(os.environ),
        "numpy is hidden": "numpy" in sys.modules and sys.modules["numpy"] is None,
        "switch interval": sys.getswitchinterval(),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE),
        "working folder": str(Path.cwd()),
        "threads": sorted(each.name for each in threading.enumerate() if not each.daemon),
        "exception hooks": [repr(sys.excepthook), repr(sys.unraisablehook)],
    }


async def job(folder: Path) -> int:
    """Make a run, its report and an explanation; return how many rows have a result."""
    from support.jobs import job_over
    from support.memory_store import MemoryPlace, MemoryStore
    from support.runs import write_users
    from support.services import wired
    from unit.transport.messages import answering, reply

    from worker.aws.access import Access
    from worker.commands.explain import explain
    from worker.commands.run import run
    from worker.report.make import make_report
    from worker.runtime.stop import StopSwitch
    from worker.telemetry.progress import LineView

    body = b'{"itemList":[{"itemId":"i"}],"recommendationId":"r"}'
    opened = job_over(write_users(folder, 20), {"user_id": "USER_ID"}, rate={"tps": 500})
    store = MemoryStore(MemoryPlace())
    async with wired(answering(reply(body))) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        result = await run(opened, store, access, LineView(per_1000_usd=None), StopSwitch())
    make_report(store)
    explain(store, "u0001")
    return result.summary.results


def main() -> None:
    """Print a JSON object: how many results there are, and what has changed."""
    before = state()
    with tempfile.TemporaryDirectory() as folder:
        results = anyio.run(job, Path(folder))
    after = state()
    workers = [name for name in after["threads"] if name.startswith("AnyIO worker thread")]
    after["threads"] = [name for name in after["threads"] if name not in workers]
    changed = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
    sys.stdout.write(json.dumps({"results": results, "changed": changed}, default=str))


if __name__ == "__main__":
    main()
