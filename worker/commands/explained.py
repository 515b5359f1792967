"""What `explain` shows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MATCHES_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PartMatches:
    """What is known of the rows of one ID in one part; MATCHES_MAX at most of each kind."""

    part: str  # the part's name
    state: str  # done, failed, or not done yet
    requests: tuple[Any, ...]  # JSON, as they are sent
    results: tuple[Mapping[str, Any], ...]  # rows of the part, by column
    errors: tuple[Mapping[str, Any], ...]  # rows of `_errors/`, by column


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything known about the rows of one ID."""

    id: str
    run_id: str  # 16 hex digits
    rows: tuple[PartMatches, ...]  # by part, those with the ID alone
