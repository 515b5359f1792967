"""The gates of [quality], and a run's numbers that they are held against. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from worker.config.model import Quality
from worker.errors import QualityError
from worker.output.summary import GateResult, QualityNumbers

# Of each gate: the number, and whether the gate is its least or its most.
_GATES = {
    "empty_share_max": "empty_share",
    "short_share_max": "short_share",
    "fallback_share_max": "fallback_share",
    "distinct_items_min": "distinct_items",
    "overlap_with_previous_min": "overlap_with_previous",
}
_TO_DO = {
    "empty_share_max": "a filter that is too strict, or items that are missing in the data set",
    "short_share_max": "a filter that is too strict for num_results",
    "fallback_share_max": "user or item IDs that the campaign's data does not have, in spelling or "
    "type, or a solution version from before these users came",
    "distinct_items_min": "a filter, promotion or solution version that leaves few items",
    "overlap_with_previous_min": "a new solution version, filter or campaign, or another "
    "`previous` than was meant",
}


def judge(gates: Quality, numbers: QualityNumbers) -> tuple[GateResult, ...]:
    """Return each gate that is set: its limit, what was seen, whether it passed.

    A number that is None could not be determined: a gate on it does not pass.
    """
    judged = []
    for name, number in _GATES.items():
        limit, seen = getattr(gates, name), getattr(numbers, number)
        if limit is not None:
            fits = seen is not None and (seen <= limit if name.endswith("_max") else seen >= limit)
            judged.append(GateResult(gate=name, limit=limit, seen=seen, passed=fits))
    return tuple(judged)


def gate_sentence(gate: GateResult) -> str:
    """Return a gate as a sentence: "fallback_share_max: 0.31 seen, 0.1 allowed at most"."""
    bound = "allowed at most" if gate.gate.endswith("_max") else "wanted at least"
    return f"{gate.gate}: {_number(gate.seen)} seen, {_number(gate.limit)} {bound}"


def quality_error(broken: Sequence[GateResult], output: str) -> QualityError:
    """Return the error of a run with the results in `output`, which break these gates."""
    listed = "".join(f"\n  {gate_sentence(gate)}" for gate in broken)
    to_do = "; or for ".join(_TO_DO[gate.gate] for gate in broken)
    return QualityError(
        f"the results break {len(broken)} of the gates in [quality]:{listed}",
        hint=f"{output} has no _SUCCESS, so that nobody takes them; see its _report.html and "
        f"look for {to_do}. After a change of [quality] alone, run again: it makes no call",
    )


def _number(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.6g}"
