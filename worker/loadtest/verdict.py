"""What a load test comes to: valid or not, thresholds kept or not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from worker.config.thresholds import Threshold
from worker.loadtest.measure import LATE_S, Measures, counted

CPU_SHARE_MAX: Final = 0.9
"""Of a core: above it answers wait to be looked at, and latencies are this program's own."""
_CALLS_TO_JUDGE: Final = 100  # of a stage; smaller ones count in the whole
_SECONDS_TO_JUDGE: Final = 2.0


class LoadOutcome(StrEnum):
    """How a test ends."""

    PASSED = "passed"
    FAILED = "failed"  # a threshold is broken, or a search held no rate
    INVALID = "invalid"  # the client was the limit, or nothing was measured
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedThreshold:
    """A threshold, and what it was held against."""

    metric: str
    operator: str
    bound: float
    text: str  # as a config has it
    value: float | None  # None: could not be measured
    holds: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a test has ended, and why."""

    outcome: LoadOutcome
    reasons: tuple[str, ...]  # sentences; none for a test that has passed


def client_limits(
    stages: Sequence[Measures], *, late_share_max: float, in_flight_max: int
) -> list[str]:
    """Return why the client, not the service, was measured; nothing when it was not.

    Stages with few calls are judged together with all others only.
    """
    whole = counted(stages)
    named = [(f"stage {number}", each) for number, each in enumerate(stages, 1)]
    reasons = []
    for name, measures in [("the test", whole), *(named if len(stages) > 1 else [])]:
        if name != "the test" and measures.calls < _CALLS_TO_JUDGE:
            continue
        if (share := measures.off_schedule_share) > late_share_max:
            reasons.append(
                f"{name}: {share:.1%} of the calls left more than {LATE_S * 1e3:.0f} ms late or "
                f"never: {_cause(measures, in_flight_max)}"
            )
        if measures.cpu_share > CPU_SHARE_MAX and measures.wall_s >= _SECONDS_TO_JUDGE:
            reasons.append(f"{name}: making the calls took {measures.cpu_share:.0%} of a core")
    return reasons


def _cause(measures: Measures, in_flight_max: int) -> str:
    if measures.waited > (measures.late + measures.missed) / 2:
        return (
            f"{in_flight_max} calls were open, and loadtest.in_flight_max allows no more "
            f"({measures.waited:,} calls waited, {measures.crowded:,} of them in vain)"
        )
    return f"this process stood still ({measures.missed:,} calls were missed)"


def judged(
    thresholds: Sequence[Threshold], metrics: dict[str, float | None]
) -> tuple[JudgedThreshold, ...]:
    """Return each threshold with the value that it was held against."""
    return tuple(
        JudgedThreshold(
            **threshold._asdict(),
            text=threshold.text,
            value=metrics[threshold.metric],
            holds=threshold.holds(metrics),
        )
        for threshold in thresholds
    )


def verdict(
    *,
    stopped: str | None,
    invalid: Sequence[str],
    thresholds: Sequence[JudgedThreshold],
    failed: str | None = None,
) -> Verdict:
    """Return the outcome and its reasons: stopped before invalid before failed."""
    broken = [
        f"{each.text} does not hold: it is {_shown(each.value)}"
        for each in thresholds
        if not each.holds
    ]
    if failed:
        broken.insert(0, failed)
    if stopped:
        outcome = LoadOutcome.STOPPED
    elif invalid:
        outcome = LoadOutcome.INVALID
    else:
        outcome = LoadOutcome.FAILED if broken else LoadOutcome.PASSED
    reasons = (*([stopped] if stopped else []), *invalid, *broken)
    return Verdict(outcome=outcome, reasons=reasons)


def _shown(value: float | None) -> str:
    return "not known, for no call succeeded" if value is None else f"{value:.4g}"
