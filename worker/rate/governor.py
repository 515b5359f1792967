"""Sets the pacer's rate: the adaptive one, or the one that the deadline needs, the lower one."""

from __future__ import annotations

import math

from worker.personalize.error_codes import Verdict
from worker.rate._adaptive import AdaptiveRate
from worker.rate.pacer import Pacer
from worker.runtime import log
from worker.runtime.clock import Clock
from worker.telemetry.tally import Tally

_NOTABLE_SHARE = 0.2  # by which a rate differs from the one that was logged last
_SUSTAINED_S = 60.0  # for which it does so on average; it goes up and down at a steady capacity


class Governor:
    """Lowers and raises a pacer's rate, and logs it. Times are of the pacer's clock.

    The ceiling, `tps_max`, is in the pacer's ramp. Below it, throttles lower the rate (not without
    `adaptive`), and so does `fit`, for the deadline.
    """

    def __init__(
        self,
        pacer: Pacer,
        tally: Tally,
        *,
        tps_max: float,
        adaptive: AdaptiveRate | None,
        clock: Clock,
    ) -> None:
        self._pacer = pacer
        self._tally = tally
        self._tps_max = tps_max
        self._adaptive = adaptive
        self._remembered_tps = adaptive.known_tps if adaptive else None  # by an earlier run
        self._fitted_tps = math.inf
        self._rate_log = RateLog(adaptive.tps if adaptive else tps_max)
        self._throttled = self._failed = 0  # attempts, since the start or since the rate changed
        self._clock = clock
        self._apply()

    @property
    def possible_tps(self) -> float:
        """The highest rate to plan with: the capacity that throttles have shown, or the ceiling."""
        adaptive = self._adaptive
        if adaptive is None or adaptive.known_tps is None:
            return self._tps_max
        return min(self._tps_max, max(adaptive.known_tps, adaptive.tps))

    @property
    def found_tps(self) -> float | None:
        """The capacity that throttles have shown in this run; None when there were none."""
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

    def record_sent(self, sent_s: float) -> None:
        """Count an attempt that leaves."""
        if self._adaptive is not None:
            self._adaptive.record_sent(sent_s)

    def record_answer(self, sent_s: float, now_s: float) -> None:
        """Count an attempt that was answered."""
        adaptive = self._adaptive
        if adaptive is not None and (
            adaptive.record_answer(sent_s, now_s) or now_s >= self._rate_log.due_s
        ):
            self._adapt()

    def record_failure(self, verdict: Verdict, sent_s: float, now_s: float) -> None:
        """Count an attempt that failed. One that failed for its row was served, to the rate."""
        adaptive = self._adaptive
        if adaptive is None:
            return
        self._throttled += verdict is Verdict.THROTTLED
        self._failed += verdict is Verdict.TRANSIENT
        record = {
            Verdict.THROTTLED: adaptive.record_throttle,
            Verdict.TRANSIENT: adaptive.record_failure,
        }.get(verdict, adaptive.record_answer)
        if record(sent_s, now_s):
            self._adapt()

    def record_outage_over(self) -> None:
        """Judge the rate by what leaves from now on."""
        if self._adaptive is not None:
            now_s = self._clock.now_s()
            self._adaptive.begin_anew(now_s)
            self._rate_log.begin_anew(self._adaptive.tps, now_s)

    def _adapt(self) -> None:
        """Take over the adaptive rate; log it when it is notably another one."""
        self._apply()
        if self._adaptive is None:
            return
        rate_log, tps, now_s = self._rate_log, self._adaptive.tps, self._clock.now_s()
        before_tps, due_s = rate_log.logged_tps, rate_log.due_s
        if rate_log.record(tps, now_s):
            log.info(
                "rate lowered" if rate_log.logged_tps < before_tps else "rate raised",
                tps=f"{before_tps:.0f} -> {rate_log.logged_tps:.0f}",
                throttled=self._throttled,
                failed=self._failed,
            )
        if due_s != rate_log.due_s < math.inf:
            self._throttled = self._failed = 0

    def _apply(self) -> None:
        adaptive_tps = self._adaptive.tps if self._adaptive else math.inf
        tps = min(adaptive_tps, self._fitted_tps)
        self._pacer.limit(tps)
        self._tally.target_tps = tps if tps < self._tps_max else None


class RateLog:
    """Knows which rate was logged last, and whether a new line is due. Pure.

    The first notably lower rate is logged at once. From then on a minute's mean is logged when it
    differs notably: at a steady capacity the rate goes up and down.
    """

    def __init__(self, tps: float) -> None:
        self.logged_tps = tps
        self.due_s = math.inf  # when the minute is over that began with a notable change
        self._is_first = True
        self._since_s = self._at_s = self._tps = self._sum = 0.0

    def begin_anew(self, tps: float, now_s: float) -> None:
        """Forget the minute that has begun: an outage was in it."""
        self.due_s = math.inf
        self.record(tps, now_s)

    def record(self, tps: float, now_s: float) -> bool:
        """Take the rate from now on; return whether `logged_tps` has changed: log it then."""
        before_tps = self.logged_tps
        if self._is_first:
            self._is_first = tps >= (1 - _NOTABLE_SHARE) * before_tps
            self.logged_tps = max(tps, before_tps) if self._is_first else tps
            return not self._is_first
        self._sum += self._tps * (now_s - self._at_s)
        if now_s >= self.due_s:
            self.due_s = math.inf
            mean_tps = self._sum / (now_s - self._since_s)
            if self._is_notable(mean_tps):
                self.logged_tps = mean_tps
        if self.due_s == math.inf and self._is_notable(tps):
            self._since_s, self._sum, self.due_s = now_s, 0.0, now_s + _SUSTAINED_S
        self._tps, self._at_s = tps, now_s
        return self.logged_tps != before_tps

    def _is_notable(self, tps: float) -> bool:
        return abs(tps - self.logged_tps) > _NOTABLE_SHARE * self.logged_tps
