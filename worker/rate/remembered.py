"""The capacities that throttles showed, kept from one run to the next: a small JSON file.

It lies under XDG_STATE_HOME (XDG Base Directory Specification 0.8), `~/.local/state` by default.
It only saves a slow start, so nothing that is wrong with it is worth more than a debug line.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import orjson

from worker.config.values import is_on_loopback
from worker.runtime import log

ENTRIES_MAX = 1000
AGE_S_MAX = 7 * 86_400
LOOPBACK_AGE_S_MAX = 3_600  # an emulator is another one tomorrow, on another port
_FILE_BYTES_MAX = 1 << 20

_Ceilings = dict[str, tuple[float, float]]  # by target: attempts per second, and when (Unix time)


def ceiling_key(arn: str, region: str, endpoint_url: str | None) -> str:
    """Return the key of a target's capacity: no two targets share one."""
    return " ".join((arn, region, endpoint_url or "aws"))


def remembered_tps(key: str) -> float | None:
    """Return the capacity that an earlier run found, unless that is too long ago."""
    entry = _read().get(key)
    return entry and entry[0]


def remember_tps(key: str, tps: float) -> None:
    """Keep the capacity of a target; the oldest ones go when there are too many."""
    ceilings = {**_read(), key: (round(tps, 3), time.time())}
    latest = sorted(ceilings.items(), key=lambda item: -item[1][1])[:ENTRIES_MAX]
    try:
        _write(orjson.dumps(dict(latest)))
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no home
        log.debug("ceilings not kept", reason=error)


def _path() -> Path:
    """Return where the file is; raise RuntimeError without a home."""
    folder = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not folder.is_absolute():  # to be ignored, as the specification says
        folder = Path.home() / ".local" / "state"
    return folder / "personalize-worker" / "ceilings.json"


def _read() -> _Ceilings:
    """Return the entries that are sound and not too old."""
    try:
        with _path().open("rb") as file:
            found = orjson.loads(file.read(_FILE_BYTES_MAX))
        now_s = time.time()
        return {
            str(key): (float(tps), float(when_s))
            for key, (tps, when_s) in found.items()
            if 0 < tps < float("inf") and when_s > now_s - _age_s_max(key)
        }
    except FileNotFoundError:
        return {}
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        log.debug("ceilings not read", reason=error)
        return {}


def _age_s_max(key: str) -> float:
    endpoint_url = key.rpartition(" ")[2]
    return LOOPBACK_AGE_S_MAX if is_on_loopback(endpoint_url) else AGE_S_MAX


def _write(content: bytes) -> None:
    """Replace the file at once, so that whoever reads it meanwhile gets one or the other."""
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
