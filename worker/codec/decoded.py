"""What many answers become: columns, and failures. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from worker.model import Failure


@dataclass(frozen=True, slots=True)
class Decoded:
    """The answers that could be read, in order, as columns; the others as failures by position."""

    positions: list[int]  # of the answers below, among those given
    recommendation_ids: pa.Array[Any]  # string, null where the service sent none
    lists: pa.ListArray[Any]  # list<struct>, best first as the service sent it
    failures: dict[int, Failure]
