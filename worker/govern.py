"""Holds the pacer at what throttles and the deadline leave of the rate, and says so."""

import math
import time
from collections.abc import Callable

from worker import log
from worker.adapt import AdaptiveRate
from worker.pace import Pacer
from worker.retry import Verdict
from worker.tally import Tally

_NOTABLE_SHARE = 0.2  # lower than what was said last
_LINE_INTERVAL_S = 10.0


class Governor:
    """The one that sets a pacer's rate, never above `tps_max`. Times are the pacer's clock's.

    Without `adaptive`, throttles change nothing.
    """

    def __init__(
        self,
        pacer: Pacer,
        tally: Tally,
        *,
        tps_max: float,
        adaptive: AdaptiveRate | None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pacer = pacer
        self._tally = tally
        self._tps_max = tps_max
        self._adaptive = adaptive
        self._remembered_tps = adaptive.known_tps if adaptive else None  # by an earlier run
        self._fitted_tps = math.inf
        self._said_tps = adaptive.tps if adaptive else tps_max
        self._said_s = -math.inf
        self._throttled = self._failed = 0  # attempts, since something was said
        self._now_s = now_s
        self._apply()

    @property
    def possible_tps(self) -> float:
        """The highest rate to count on: the ceiling, or what throttles have shown."""
        adaptive = self._adaptive
        if adaptive is None or adaptive.known_tps is None:
            return self._tps_max
        return min(self._tps_max, max(adaptive.known_tps, adaptive.tps))

    @property
    def found_tps(self) -> float | None:
        """The capacity that this run's throttles have shown; None when they showed none."""
        adaptive = self._adaptive
        if adaptive is None or adaptive.known_tps is None:
            return None
        # The ceiling is no capacity: a slow run must not slow down the next one.
        found_tps = max(adaptive.known_tps, adaptive.tps)
        return None if found_tps == self._remembered_tps else found_tps

    def fit(self, tps: float) -> None:
        """Go no faster than `tps`, which is enough for the deadline."""
        self._fitted_tps = tps
        self._apply()

    def note_sent(self, sent_s: float) -> None:
        """Count an attempt that leaves."""
        if self._adaptive is not None:
            self._adaptive.note_sent(sent_s)

    def note_answer(self, sent_s: float, now_s: float) -> None:
        """Count an attempt that was answered."""
        if self._adaptive is not None and self._adaptive.note_answer(sent_s, now_s):
            self._adapt()

    def note_failure(self, verdict: Verdict, sent_s: float, now_s: float) -> None:
        """Count an attempt that failed; one that only its row is to blame for was served."""
        adaptive = self._adaptive
        if adaptive is None:
            return
        self._throttled += verdict is Verdict.THROTTLED
        self._failed += verdict is Verdict.TRANSIENT
        note = {
            Verdict.THROTTLED: adaptive.note_throttle,
            Verdict.TRANSIENT: adaptive.note_failure,
        }.get(verdict, adaptive.note_answer)
        if note(sent_s, now_s):
            self._adapt()

    def note_outage_over(self) -> None:
        """Judge the rate by what leaves from now on."""
        if self._adaptive is not None:
            self._adaptive.begin_anew(self._now_s())

    def _adapt(self) -> None:
        """Take over the adaptive rate; say so when it is notably lower than it was."""
        self._apply()
        if self._adaptive is None:
            return
        tps, now_s = self._adaptive.tps, self._now_s()
        if tps >= self._said_tps:
            self._said_tps = tps
        elif (
            tps < (1 - _NOTABLE_SHARE) * self._said_tps and now_s >= self._said_s + _LINE_INTERVAL_S
        ):
            log.info(
                "rate lowered",
                tps=f"{self._said_tps:.0f} -> {tps:.0f}",
                throttled=self._throttled,
                failed=self._failed,
            )
            self._said_tps, self._said_s = tps, now_s
            self._throttled = self._failed = 0

    def _apply(self) -> None:
        adaptive_tps = self._adaptive.tps if self._adaptive else math.inf
        tps = min(adaptive_tps, self._fitted_tps)
        self._pacer.limit(tps)
        self._tally.target_tps = tps if tps < self._tps_max else None
