"""What a soak has to leave behind, and whether it did: from the files alone, and from /proc."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from worker.output.spool import Spool
from worker.output.spool_format import Mark
from worker.store.local import SPOOL, LocalStore

WARM_UP_S = 10.0
FLAT = 1.2  # times the first half's memory, in the second half
FILES_MORE = 4  # a part, its failed rows, the spool, the input
SOCKETS_MORE = 32  # than calls may be open


class Claim(NamedTuple):
    """Something that must be so, and what was found; a mere figure when nothing is wanted."""

    name: str
    found: float | str
    wanted: str
    holds: bool

    @property
    def shown(self) -> str:
        """Return what was found, as text."""
        return self.found if isinstance(self.found, str) else f"{self.found:,}"

    @property
    def verdict(self) -> str:
        """Return whether it is so."""
        return ("holds" if self.holds else "FAILS") if self.wanted else ""


class Sample(NamedTuple):
    """A process at a moment."""

    at_s: float
    mib: float  # resident
    files: int  # open, but for sockets
    sockets: int


def sample(process_id: int, at_s: float) -> Sample | None:
    """Return what a process takes now; None when it has just ended."""
    folder = Path(f"/proc/{process_id}")
    try:
        lines = (folder / "status").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
        links = [path.readlink().name for path in (folder / "fd").iterdir()]
        sockets = sum(link.startswith("socket:") for link in links)
        return Sample(at_s, kib / 1024, len(links) - sockets, sockets)
    except (OSError, StopIteration):
        return None


def success(output: Path) -> dict[str, Any]:
    """Return the content of `_SUCCESS`."""
    return dict(json.loads((output / "_SUCCESS").read_text()))


def part_hashes(output: Path) -> dict[str, str]:
    """Return the SHA-256 of every committed part."""
    return {path.name: _sha256(path) for path in sorted(output.glob("part-*.parquet"))}


def committed_rows(output: Path) -> int:
    """Return the rows in committed parts."""
    return sum(pq.read_metadata(path).num_rows for path in output.glob("part-*.parquet"))


def kept_rows(output: Path) -> int:
    """Return the answered rows in the spools of parts that are not committed."""
    spools = [
        path for path in output.glob(f"{SPOOL}/*/part-*") if not (output / path.name).exists()
    ]
    return sum(len(_spool(output, path).rows(0, 1 << 40)) for path in spools)


def _spool(output: Path, path: Path) -> Spool:
    run_id, part = path.parent.name, int(path.stem.removeprefix("part-"))
    return Spool(LocalStore(output).spool(run_id, path.name), Mark(run_id, part))


def accounts(output: Path, users: Path) -> list[Claim]:
    """Return what is claimed of rows, and of what `_SUCCESS` says of them."""
    done = success(output)
    wanted = pq.read_table(users)["USER_ID"].combine_chunks()
    read = [pq.read_table(path, columns=["USER_ID"]) for path in sorted(output.rglob("part-*"))]
    found = pa.concat_tables(read)["USER_ID"].combine_chunks()
    lost = len(wanted) - len(wanted.filter(pc.is_in(wanted, value_set=found)))
    doubled = len(found) - pc.count_distinct(found).as_py()
    ids = [pq.read_table(path, columns=["recommendation_id"]) for path in output.glob("part-*")]
    same_ids = done["results"] - pc.count_distinct(
        pa.concat_tables(ids)["recommendation_id"].combine_chunks()
    ).as_py()  # fmt: skip
    wrong = [part["name"] for part in done["parts"] if not _is_as_listed(output, part)]
    left = [path.name for path in output.iterdir() if path.name.startswith("_personalize")]
    return [
        Claim("rows lost", lost, "0", holds=lost == 0),
        Claim("rows doubled", doubled, "0", holds=doubled == 0),
        Claim("rows in _errors/", done["rows_failed"], "<= 0.1 %",
              holds=done["rows_failed"] <= len(wanted) / 1000),
        Claim("results with another's recommendationId", same_ids, "0", holds=same_ids == 0),
        Claim("files that _SUCCESS has wrong", len(wrong), "0", holds=not wrong),
        Claim("temporary files left", len(left), "0", holds=not left),
    ]  # fmt: skip


def steadiness(samples: Sequence[Sample], *, in_flight_max: int) -> list[Claim]:
    """Return what is claimed of the last invocation's memory and open files, once warmed up."""
    warm = [each for each in samples if each.at_s >= min(WARM_UP_S, samples[-1].at_s / 3)]
    first, second = warm[: len(warm) // 2], warm[len(warm) // 2 :]
    before, after = (max(each.mib for each in half) for half in (first, second))
    files_before, files_after = (max(each.files for each in half) for half in (first, second))
    sockets = max(each.sockets for each in warm)
    return [
        Claim("memory, first and second half of the last run, MiB", f"{before:,.0f}, {after:,.0f}",
              f"<= {FLAT}x", holds=after <= FLAT * before),
        Claim("memory's slope, MiB a minute", round(_slope(warm) * 60, 1), "", holds=True),
        Claim("open files, first and second half", f"{files_before}, {files_after}",
              f"<= +{FILES_MORE}", holds=files_after <= files_before + FILES_MORE),
        Claim("most sockets", sockets, f"<= {in_flight_max} + {SOCKETS_MORE}",
              holds=sockets <= in_flight_max + SOCKETS_MORE),
    ]  # fmt: skip


def seconds(output: Path, running_s: float) -> Claim:
    """Return what is claimed of the running time in `_SUCCESS`: start-ups are not in it."""
    told = success(output)["seconds"]
    found = f"{told:,.0f} of {running_s:,.0f}"
    return Claim("seconds in _SUCCESS, of those running", found, "0.5x to 1x",
                 holds=running_s / 2 <= told <= running_s)  # fmt: skip


def _slope(samples: Sequence[Sample]) -> float:
    """Return MiB a second, by least squares."""
    mean_s = sum(each.at_s for each in samples) / len(samples)
    mean_mib = sum(each.mib for each in samples) / len(samples)
    spread = sum((each.at_s - mean_s) ** 2 for each in samples)
    return sum((each.at_s - mean_s) * (each.mib - mean_mib) for each in samples) / (spread or 1.0)


def _is_as_listed(output: Path, part: dict[str, Any]) -> bool:
    path = output / part["name"]
    rows = pq.read_metadata(path).num_rows
    listed = (part["rows"], part["bytes"], part["sha256"])
    return listed == (rows, path.stat().st_size, _sha256(path))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
