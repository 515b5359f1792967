"""`thresholds = ["p99_ms < 250"]`: parsed when the config is, judged when the test is over. Pure.

Latencies are those of successful calls, from the moment when they were due. Shares are of all calls
that were made; `tps` is how many of them there were in a second.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

METRICS: Final = (
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "p999_ms",
    "max_ms",
    "throttle_share",
    "error_share",
    "tps",
)
_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FORM = re.compile(r"\s*(\w+)\s*([^\w\s.+-]+)\s*(\S+)\s*")
_EXAMPLE = 'write for example "p99_ms < 250"'


class Threshold(NamedTuple):
    """What a metric has to be."""

    metric: str
    operator: str
    bound: float

    @property
    def text(self) -> str:
        """The threshold as it is written in a config."""
        return f"{self.metric} {self.operator} {self.bound:g}"

    def holds(self, metrics: Mapping[str, float | None]) -> bool:
        """Tell whether it is kept; a metric that could not be measured keeps nothing."""
        value = metrics[self.metric]
        return value is not None and _OPERATORS[self.operator](value, self.bound)


def parse_threshold(text: str) -> Threshold:
    """Return what `text` says; raise ValueError with advice when it says nothing."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        raise ValueError(f"is not METRIC OPERATOR NUMBER; {_EXAMPLE}")
    metric, sign, number = parts.groups()
    if metric not in METRICS:
        close = difflib.get_close_matches(metric, METRICS, n=1, cutoff=0.5)
        advice = f"did you mean {close[0]}?" if close else f"known: {', '.join(METRICS)}"
        raise ValueError(f"there is no metric {metric!r}; {advice}")
    if sign not in _OPERATORS:
        raise ValueError(f"{sign!r} is no comparison; one of {', '.join(_OPERATORS)}")
    return Threshold(metric, sign, _bound(metric, number))


def _bound(metric: str, number: str) -> float:
    try:
        bound = float(number)
    except ValueError:
        raise ValueError(f"{number!r} is no number; {_EXAMPLE}") from None
    if not 0 <= bound < float("inf"):
        raise ValueError(f"a bound is 0 or more, and finite (seen: {number})")
    if metric.endswith("_share") and bound > 1:
        raise ValueError(f"{metric} is a share, 0 to 1: write 0.01 for one in a hundred")
    return bound


def kept_text(text: str) -> str:
    """Return `text` when `parse_threshold` understands it; raise ValueError when not."""
    parse_threshold(text)
    return text
