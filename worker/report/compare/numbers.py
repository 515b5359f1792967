"""The difference between two runs as numbers: what `diff --json` prints. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from worker.report.compare.compare import (
    DEPTHS,
    Comparison,
    EntryChange,
    Side,
    came_and_went,
    changes,
)

CHANGES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNumbers:
    """How many rows there are."""

    old: int
    new: int
    both: int  # with IDs that are in both runs
    only_old: int
    only_new: int
    compared: int  # of those in both, without those whose lists are both empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """How many rows are of a kind, empty or fallback, and how many have changed in that."""

    old: int
    new: int
    became: int
    no_longer: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryNumbers:
    """How many different items or actions there are, and whose rows have changed the most."""

    old: int
    new: int
    only_old: int
    only_new: int
    gains: tuple[EntryChange, ...]  # CHANGES_SHOWN at most, the largest first
    losses: tuple[EntryChange, ...]  # likewise


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffNumbers:
    """The difference between two runs. Means are over the compared rows; None: there are none."""

    rows: RowNumbers
    overlap: Mapping[str, float | None]  # of the first k entries, 0 to 1, by k as text
    overlap_10_in_tenths: tuple[int, ...]  # rows by overlap@10: 0, a tenth, ... 1
    rank_biased_overlap: float | None  # 0 to 1
    jaccard: float | None  # of whole lists, 0 to 1
    same_list_share: float | None
    same_first_share: float | None
    rank_change_mean: float | None  # places, of rows with an entry in common
    empty: Turns
    fallback: Turns
    items: EntryNumbers


def diff_numbers(found: Comparison) -> DiffNumbers:
    """Return the difference as numbers."""

    def mean(total: float, rows: int) -> float | None:
        return total / rows if rows else None

    came, went = came_and_went(found)
    gains, losses = changes(found, CHANGES_SHOWN)
    return DiffNumbers(
        rows=RowNumbers(
            old=found.old.rows,
            new=found.new.rows,
            both=found.both,
            only_old=found.old.rows - found.both,
            only_new=found.new.rows - found.both,
            compared=found.compared,
        ),
        overlap={str(depth): found.overlap(depth) for depth in DEPTHS},
        overlap_10_in_tenths=tuple(found.tenths),
        rank_biased_overlap=mean(found.rank_biased_sum, found.compared),
        jaccard=mean(found.jaccard_sum, found.compared),
        same_list_share=mean(found.same_list, found.compared),
        same_first_share=mean(found.same_first, found.compared),
        rank_change_mean=mean(found.moved_sum, found.moved),
        empty=_turns(found, "empty"),
        fallback=_turns(found, "fallback"),
        items=EntryNumbers(
            old=found.old.entries.table().num_rows,
            new=found.new.entries.table().num_rows,
            only_old=went,
            only_new=came,
            gains=tuple(gains),
            losses=tuple(losses),
        ),
    )


def _turns(found: Comparison, kind: str) -> Turns:
    def rows(side: Side) -> int:
        return int(getattr(side, kind))

    return Turns(
        old=rows(found.old),
        new=rows(found.new),
        became=getattr(found, f"became_{kind}"),
        no_longer=getattr(found, f"no_longer_{kind}"),
    )
