"""The rate that the service takes: backed off from on throttling, found again when there is more.

Pure: the caller brings the time, in seconds of one clock, and says what became of each attempt.

Decisions are made once an epoch, from attempts that were sent after the last decision. A throttle
may come later than others' answers, on which the rate has grown: it counts if its attempt was sent
after the rate was last lowered. What is known of the capacity is what was delivered, never what was
sent:

- Slow start: the rate doubles each epoch until something is throttled, or the ceiling is reached.
- At the known capacity it begins a little below and climbs, slowly first, ever faster while
  nothing is throttled. A throttle ends the climb. Since the service had nothing in reserve at the
  last one either, what was delivered in between is the capacity.
- Throttles far above it, or that go on after backing off, are measured for an epoch: what is
  delivered meanwhile is the capacity.
- When backing off comes too early again and again, an experiment well below the capacity shows
  the share that is throttled at any rate. It is tolerated from then on, and the rate restored.
- When nothing at all is delivered, an attempt a second goes on asking.

The rate grows only after an epoch in which it was the constraint.
"""

from __future__ import annotations

import math

EPOCH_S = 0.1
SLOW_START_EPOCH_S = 0.05
FLOOR_TPS = 1.0  # while nothing is delivered
_MEASURED_ATTEMPTS = 20  # of an epoch that the capacity is computed from, at least
_SHOWING_ATTEMPTS = 50  # delivered between two throttles, to show the capacity
_EXPERIMENT_S, _EXPERIMENT_ATTEMPTS = 0.5, (60, 150)  # fewest and most

_ANSWERED_SHARE = 0.95  # of an epoch's attempts, to compute the capacity from it
_ANSWERED_SHARE_TO_GROW = 0.5
_PATIENCE_S = 1.0  # for these answers
_CONSTRAINT_SHARE = 0.85  # of what the rate allowed was sent: the rate was the constraint
_FAILED_SHARE_MAX = 0.1  # of an epoch failed in other ways: no time to grow

# Of the known capacity:
_BELOW, _BELOW_IN_EXPERIMENT = 0.98, 0.85  # where a climb begins, and an experiment is made
_NEAR = (0.95, 1.1)  # what was delivered between two throttles is believed to be it
_AGAIN = 0.97  # of the rate before, when too little was delivered to show the capacity

_TOLERATED = 0.03  # of the attempts throttled, beyond the ambient share
_ALARM, _ALARM_AMBIENT = 0.8, 60  # throttles beyond these that are an alarm; by ambient share
_PRIOR_ATTEMPTS, _PRIOR_ATTEMPTS_IN_EXPERIMENT = 150, 30  # that the known ambient share counts for

# A climb of u units multiplies the rate by exp(_CLIMB / _STEEPNESS * (exp(_STEEPNESS * u) - 1)):
# 5 % after 0.75 units, four times the rate after 1.6. A unit is a second, or 100 attempts if these
# take longer, for each climb costs a throttled attempt or two.
_CLIMB, _STEEPNESS, _UNIT_ATTEMPTS = 0.01, 4.0, 100
_STEP_MAX = 0.15  # units in one decision
_EARLY = 0.65  # units: what is throttled before was not found by climbing
_EARLY_MAX = 3  # times in a row; then an experiment is made


class AdaptiveRate:
    """The rate that throttles leave; at most `tps_max`.

    With `known_tps`, the capacity as an earlier run found it, a climb begins there. Without, a slow
    start begins at `start_tps`. Times never go back.
    """

    _is_open: bool  # the epoch: attempts that are sent now belong to it
    _closes_s: float  # when it closes at the earliest; when it did
    _closes_sent: int  # with how many attempts, in total

    def __init__(
        self, *, tps_max: float, start_tps: float, known_tps: float | None = None, now_s: float
    ) -> None:
        self.tps = min(tps_max, start_tps if known_tps is None else known_tps * _BELOW)
        self.known_tps = known_tps
        self.ambient_share = 0.0
        self._tps_max = tps_max
        self._floor = min(tps_max, FLOOR_TPS)
        self._sent = 0
        self._heeded_s = now_s  # what was throttled of what left before is taken into account
        self._excess = 0.0  # throttles beyond what is tolerated, of late
        # Since the rate was lowered:
        self._lowered_s, self._lowered_sent, self._throttled = now_s, 0, 0
        self._climbed = 0.0  # units
        # Of early throttles in a row:
        self._early = 0
        self._early_known: float | None = None  # the capacity as it was known before the first
        self._early_sent = self._early_throttled = 0  # in total before it; since
        self._open(now_s)

    def record_sent(self, now_s: float) -> None:
        """Count an attempt that leaves."""
        self._sent += 1
        if self._is_open and now_s >= self._closes_s and self._sent >= self._closes_sent:
            self._is_open, self._closes_s, self._closes_sent = False, now_s, self._sent

    def record_answer(self, sent_s: float, now_s: float) -> bool:
        """Count an attempt that was served; return whether the rate is another one now."""
        if sent_s < self._opened_s:
            return False
        if self._is_open or sent_s <= self._closes_s:
            self._answers += 1
        if self._excess:
            self._excess = max(0.0, self._excess - self.ambient_share - _TOLERATED)
        return not self._is_open and self._decide(now_s)

    def record_throttle(self, sent_s: float, now_s: float) -> bool:
        """Count an attempt that was throttled; return whether the rate is another one now."""
        if sent_s < self._heeded_s:
            return False
        if sent_s >= self._opened_s and (self._is_open or sent_s <= self._closes_s):
            self._throttles += 1
        self._throttled += 1
        self._early_throttled += 1
        self._excess += 1 - self.ambient_share - _TOLERATED
        is_alarm = self._excess > _ALARM + _ALARM_AMBIENT * self.ambient_share
        if is_alarm and not self._is_measured and self.tps > self._floor:
            return self._heed(now_s)
        return not self._is_open and self._decide(now_s)

    def record_failure(self, sent_s: float, now_s: float) -> bool:
        """Count an attempt that failed in another way; return whether the rate is another one."""
        if sent_s < self._opened_s:
            return False
        if self._is_open or sent_s <= self._closes_s:
            self._failures += 1
        return not self._is_open and self._decide(now_s)

    def begin_anew(self, now_s: float) -> None:
        """Go on at this rate after an outage: what left before says nothing of the capacity."""
        self._lower(now_s, self.tps)
        self._early = 0
        self._open(now_s)

    def _open(self, now_s: float, *, attempts: int = 1, is_experiment: bool = False) -> None:
        """Begin an epoch of so many attempts at least; earlier ones do not count any more."""
        self._is_measured, self._is_experiment = attempts > 1, is_experiment
        is_slow_start = self.known_tps is None and attempts == 1
        self._opened_s, self._opened_sent = now_s, self._sent
        if self._is_measured:
            self._heeded_s = now_s
        self._closes_s = now_s + (SLOW_START_EPOCH_S if is_slow_start else EPOCH_S)
        self._closes_sent = self._sent + attempts
        self._is_open = True
        self._answers = self._throttles = self._failures = 0

    def _heed(self, now_s: float) -> bool:
        """Back off at an alarm, or measure first when the capacity is not known yet."""
        before, delivered_tps = self.tps, self._delivered_tps(now_s)
        self._excess = 0.0
        if delivered_tps is None:
            self._open(now_s, attempts=_MEASURED_ATTEMPTS)
        else:
            self._back_off(now_s, delivered_tps)
        return self.tps != before

    def _delivered_tps(self, now_s: float) -> float | None:
        """Return the capacity that deliveries since the last throttle show; None: they do not."""
        if self.known_tps is None:
            return None
        least, most = _NEAR[0] * self.known_tps, _NEAR[1] * self.known_tps
        delivered = self._sent - self._lowered_sent - self._throttled
        if delivered >= _SHOWING_ATTEMPTS:
            shown_tps = max(least, delivered / (now_s - self._lowered_s))
            return min(self.tps, shown_tps) if shown_tps <= most else None
        return _AGAIN * self.known_tps if least <= self.tps <= most else None

    def _decide(self, now_s: float) -> bool:
        """End the epoch when its answers are there; return whether the rate is another one."""
        sent, judged = self._closes_sent - self._opened_sent, self._answers + self._throttles
        ended = judged + self._failures
        enough = (_ANSWERED_SHARE if self._is_measured else _ANSWERED_SHARE_TO_GROW) * sent
        if ended < enough and now_s < self._closes_s + _PATIENCE_S:
            return False
        before, share = self.tps, self._throttles / max(1, judged)
        if not self._answers:
            if ended:
                self._lower(now_s, self.tps / 2 if self._failures else self._floor)
            self._open(now_s)
        elif self._is_experiment and self._is_in_vain(share):
            self._learn_ambient(share, judged)
            self.known_tps = self._early_known
            self._open(now_s)
        elif self._is_overload(judged):
            late = sent - ended if ended >= enough else 0
            self._back_off(now_s, (self._answers + late) / (self._closes_s - self._opened_s))
        else:
            if self._is_measured:
                self._learn_ambient(share, judged)
            self._grow(now_s, sent)
            self._open(now_s)
        return self.tps != before

    def _is_overload(self, judged: int) -> bool:
        expected = self.ambient_share * judged
        return self._throttles > 1 + _TOLERATED * judged + expected + 2 * math.sqrt(expected)

    def _is_in_vain(self, share: float) -> bool:
        """Return whether an experiment has shown that backing off does not help."""
        self._early = 0
        throttled = self._early_throttled - self._throttles
        return 3 * share * (self._opened_sent - self._early_sent) >= throttled > 0 < share

    def _learn_ambient(self, share: float, judged: int) -> None:
        """Learn from an epoch that was no overload what share is throttled at any rate."""
        prior = _PRIOR_ATTEMPTS_IN_EXPERIMENT if self._is_experiment else _PRIOR_ATTEMPTS
        more = share - self.ambient_share
        if self._lowered_s == self._opened_s and not self._is_experiment:
            more = min(0.0, more)  # it may be the capacity that is known too well
        self.ambient_share += more * judged / (judged + prior)

    def _back_off(self, now_s: float, known_tps: float) -> None:
        """Go a little below the capacity; well below it when that came early too often."""
        if self._climbed >= _EARLY or not self._early:
            self._early, self._early_known = 0, self.known_tps
            self._early_sent, self._early_throttled = self._sent, 0
        self._early += 1
        self.known_tps = known_tps
        if self._early >= _EARLY_MAX:
            self._lower(now_s, known_tps * _BELOW_IN_EXPERIMENT)
            fewest, most = _EXPERIMENT_ATTEMPTS
            attempts = min(most, max(fewest, round(self.tps * _EXPERIMENT_S)))
            self._open(now_s, attempts=attempts, is_experiment=True)
        else:
            self._lower(now_s, known_tps * _BELOW * (1 - self.ambient_share))
            self._open(now_s, attempts=_MEASURED_ATTEMPTS)

    def _lower(self, now_s: float, tps: float) -> None:
        self.tps = max(self._floor, min(self.tps, tps))
        self._climbed = self._excess = 0.0
        self._lowered_s, self._lowered_sent, self._throttled = now_s, self._sent, 0
        self._heeded_s = now_s

    def _grow(self, now_s: float, sent: int) -> None:
        allowed = self.tps * (self._closes_s - self._opened_s)
        if sent + 1 < _CONSTRAINT_SHARE * allowed or self._failures > _FAILED_SHARE_MAX * sent:
            return
        known = self.known_tps
        if known is None:
            higher = 2 * self.tps
        elif self.tps < _BELOW * known:
            higher = min(2 * self.tps, _BELOW * known)
        else:
            units = (self._sent - self._opened_sent) / _UNIT_ATTEMPTS
            higher = self.tps * self._climb(min(now_s - self._opened_s, units, _STEP_MAX))
        self.tps = min(self._tps_max, higher)

    def _climb(self, units: float) -> float:
        """Go on with the climb; return the factor of the rate, at most 2."""
        steepness = math.exp(_STEEPNESS * min(self._climbed, 4.0))  # more than enough for 2
        self._climbed += units
        height = _CLIMB / _STEEPNESS * steepness * math.expm1(_STEEPNESS * units)
        return math.exp(min(math.log(2), height))
