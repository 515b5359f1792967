"""Holds the pacer at what throttles and the deadline leave of the rate, and says so."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from worker.personalize.error_codes import Verdict
from worker.rate._adaptive import AdaptiveRate
from worker.rate.pacer import Pacer
from worker.runtime import log
from worker.telemetry.tally import Tally

_NOTABLE_SHARE = 0.2  # by which a rate differs from what was said last
_SUSTAINED_S = 60.0  # for which it does so on average; it goes up and down at a steady capacity


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
        self._news = News(adaptive.tps if adaptive else tps_max)
        self._throttled = self._failed = 0  # attempts, since the start or since the rate changed
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
        adaptive = self._adaptive
        if adaptive is not None and (
            adaptive.note_answer(sent_s, now_s) or now_s >= self._news.due_s
        ):
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
            now_s = self._now_s()
            self._adaptive.begin_anew(now_s)
            self._news.begin_anew(self._adaptive.tps, now_s)

    def _adapt(self) -> None:
        """Take over the adaptive rate; say so when that is news."""
        self._apply()
        if self._adaptive is None:
            return
        news, tps, now_s = self._news, self._adaptive.tps, self._now_s()
        before_tps, due_s = news.said_tps, news.due_s
        if news.note(tps, now_s):
            log.info(
                "rate lowered" if news.said_tps < before_tps else "rate raised",
                tps=f"{before_tps:.0f} -> {news.said_tps:.0f}",
                throttled=self._throttled,
                failed=self._failed,
            )
        if due_s != news.due_s < math.inf:
            self._throttled = self._failed = 0

    def _apply(self) -> None:
        adaptive_tps = self._adaptive.tps if self._adaptive else math.inf
        tps = min(adaptive_tps, self._fitted_tps)
        self._pacer.limit(tps)
        self._tally.target_tps = tps if tps < self._tps_max else None


class News:
    """Which rate was said last, and whether it is a notably other one by now. Pure.

    The first time that it is notably lower is news at once; from then on what it is on average over
    a minute is, for it goes up and down at a steady capacity.
    """

    def __init__(self, tps: float) -> None:
        self.said_tps = tps
        self.due_s = math.inf  # when the minute is over that began with a notable change
        self._is_first = True
        self._since_s = self._at_s = self._tps = self._sum = 0.0

    def begin_anew(self, tps: float, now_s: float) -> None:
        """Forget the minute that has begun: an outage was in it."""
        self.due_s = math.inf
        self.note(tps, now_s)

    def note(self, tps: float, now_s: float) -> bool:
        """Take the rate from now on; return whether `said_tps` is to be said: it has changed."""
        before_tps = self.said_tps
        if self._is_first:
            self._is_first = tps >= (1 - _NOTABLE_SHARE) * before_tps
            self.said_tps = max(tps, before_tps) if self._is_first else tps
            return not self._is_first
        self._sum += self._tps * (now_s - self._at_s)
        if now_s >= self.due_s:
            self.due_s = math.inf
            mean_tps = self._sum / (now_s - self._since_s)
            if self._is_notable(mean_tps):
                self.said_tps = mean_tps
        if self.due_s == math.inf and self._is_notable(tps):
            self._since_s, self._sum, self.due_s = now_s, 0.0, now_s + _SUSTAINED_S
        self._tps, self._at_s = tps, now_s
        return self.said_tps != before_tps

    def _is_notable(self, tps: float) -> bool:
        return abs(tps - self.said_tps) > _NOTABLE_SHARE * self.said_tps
