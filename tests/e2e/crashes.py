"""A run of five parts that is ended at a crash point, for the table of these."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from support.runs import (
    COMMAND_TIMEOUT_S,
    PARTS_OF_TEN,
    PROJECT,
    Result,
    WriteConfig,
    clean_environment,
    user_ids,
)
from support.scripts import Reply, asked_for, echo, error
from support.services import Request, Service

USERS = user_ids(45)
TOLERANT = {"error_share_max": 0.5}


def service_with_failures(request: Request) -> Reply:
    """Refuse the users whose IDs end in 5; answer the others after their own."""
    if asked_for(request)[-1] == "5":
        return error("InvalidInputException", 400)
    return echo(request)


def crash(how: str, point: str, *arguments: str | Path, folder: Path) -> Result:
    """Run the command to a crash point."""
    driver = [sys.executable, Path(__file__).with_name("crashing.py"), how, point]
    return subprocess.run(
        [str(word) for word in (*driver, *arguments)],
        cwd=folder,
        env=clean_environment({"PYTHONPATH": str(PROJECT)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def tolerant_config(write_config: WriteConfig, service: Service, **sections: Any) -> Path:
    """Write the config of five parts, whose failed rows are tolerated."""
    return write_config(
        target={"endpoint_url": service.url}, stop=TOLERANT, **{**PARTS_OF_TEN, **sections}
    )
