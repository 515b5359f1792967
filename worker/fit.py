"""Pace to fit: the lowest steady rate that finishes before the deadline. Pure."""

from dataclasses import dataclass

from worker.pace import Ramp

RESERVE_SHARE = 0.05  # of the time to the deadline, as it was when the run began
TPS_MIN = 1.0  # slower saves nothing: this much is provisioned at the least
_HALVINGS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What a deadline asks for."""

    tps: float  # to go at: the lowest that finishes with the reserve, at most the ceiling
    tps_needed: float  # on average, without any reserve
    calls_missing: int  # by the deadline, at the ceiling; 0: it can be met


def fit(calls: int, ramp: Ramp, *, elapsed_s: float, left_s: float, reserve_s: float) -> Fit:
    """Return the rate for `calls` in the `left_s` seconds to the deadline.

    `ramp` is the ceiling, begun `elapsed_s` ago. Whoever is late may use half of what is left of
    the reserve, and half of that again.
    """
    left_s = max(left_s, 1e-3)
    within_s = max(left_s - reserve_s, left_s / 2)
    lower, upper = 0.0, ramp.tps
    for _ in range(_HALVINGS):
        middle = (lower + upper) / 2
        if _attempts(ramp.below(middle), elapsed_s, within_s) < calls:
            lower = middle
        else:
            upper = middle
    possible = _attempts(ramp, elapsed_s, left_s)
    return Fit(
        tps=min(ramp.tps, max(TPS_MIN, upper)),
        tps_needed=calls / left_s,
        calls_missing=max(0, calls - int(possible + 1e-6)),
    )


def _attempts(ramp: Ramp, begin_s: float, seconds: float) -> float:
    return ramp.attempts_at(begin_s + seconds) - ramp.attempts_at(begin_s)
