"""Whether the service is down: one failing row says nothing, all of them in turn do. Pure.

What fails is counted since the last attempt that was answered. The service counts as down when so
many different rows have failed since then that it cannot be theirs, or as many attempts were
throttled for a while, or when it cannot even be connected to. Then a probe at a time is sent, ever
more rarely, and the first answer ends it. A row that broke before, while others were answered,
bears no witness: at the end of a run, those that always fail are among themselves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from worker.call.retry import HINT_MAX_S
from worker.model import Failure
from worker.personalize.error_codes import CONNECT_FAILED, Verdict

FAILURES_TO_OPEN = 10
# Throttling is an answer, of a service that may serve others of these rows a moment later: the rate
# is what helps. Only when none of them is served for so long, it is an outage.
THROTTLED_S_TO_OPEN = 2.0
PROBE_S_MIN = 0.1
PROBE_S_MAX = 5.0
# Before the first answer of any kind: who named a wrong endpoint should know soon.
UNREACHED_S_MAX = 10.0


@dataclass(slots=True)
class RowTrouble:
    """What the breaker knows of one row that failed; kept with the row."""

    is_counted: bool = False  # it has failed before, and that was no outage


class Breaker:
    """Told of every failed attempt, and of the first answer after one. Brings no clock."""

    def __init__(self, outage_s: float) -> None:
        self._outage_s = outage_s
        self._failures = self._broken_rows = 0
        self._ended_s = -math.inf  # the last outage
        self._last: Failure | None = None
        self._probe_after_s = PROBE_S_MIN
        self.has_spoken = False  # anything that came from the service, an error even
        self.since_s: float | None = None  # the first failure since the last answer
        self.is_open = False  # the service counts as down
        self.probe_s = 0.0  # when the next probe is due, while open

    def note_answer(self, now_s: float) -> None:
        """The service has answered: what failed before is over."""
        if self.is_open:
            self._ended_s = now_s
        self.has_spoken = True
        self._failures = self._broken_rows = 0
        self._probe_after_s = PROBE_S_MIN
        self.since_s, self.is_open = None, False

    def note_failure(
        self, failure: Failure, verdict: Verdict, row: RowTrouble, *, sent_s: float, now_s: float
    ) -> bool:
        """Count an attempt that was throttled or broken; return whether an outage took it.

        One that left before an outage was over belongs to it, even if it ends later.
        """
        if not self.is_open and sent_s <= self._ended_s:
            return True
        self._last = failure
        if failure.http_status is not None:
            self.has_spoken = True
        if self.since_s is None:
            self.since_s = now_s
        # Throttling is never a row's fault, so each time counts: at a low rate rows would else run
        # out of attempts before so many have failed.
        self._failures += not row.is_counted or verdict is Verdict.THROTTLED
        self._broken_rows += not row.is_counted and verdict is Verdict.TRANSIENT
        row.is_counted = True
        if self.is_open:
            hint_s = min(failure.retry_after_s or 0.0, HINT_MAX_S)
            self.probe_s = max(self.probe_s, now_s + hint_s)
        elif failure.code == CONNECT_FAILED:  # can be no row's fault
            self._open(now_s)
        else:
            self.look(now_s)
        return self.is_open

    def look(self, now_s: float) -> bool:
        """Return whether the service counts as down now; time alone may decide it."""
        if not self.is_open and self.since_s is not None:
            lasts_s = now_s - self.since_s
            throttled = self._failures >= FAILURES_TO_OPEN and lasts_s >= THROTTLED_S_TO_OPEN
            if throttled or self._broken_rows >= FAILURES_TO_OPEN:
                self._open(now_s)
        return self.is_open

    def take_probe(self, now_s: float) -> None:
        """Send one probe; the next one is due after twice the time."""
        self.probe_s = now_s + self._probe_after_s
        self._probe_after_s = min(2 * self._probe_after_s, PROBE_S_MAX)

    @property
    def last_code(self) -> str:
        """What the last failed attempt ended with."""
        return self._last.code if self._last else ""

    @property
    def over_s(self) -> float:
        """When an outage that has begun lasts too long."""
        limit_s = self._outage_s if self.has_spoken else min(self._outage_s, UNREACHED_S_MAX)
        return (self.since_s or 0.0) + limit_s

    def reason(self, now_s: float) -> str | None:
        """Return why the run is to stop, or None while it may wait."""
        if not self.is_open or self.since_s is None or self._last is None or now_s < self.over_s:
            return None
        return (
            f"the service does not answer: no attempt succeeded for {now_s - self.since_s:.0f} s; "
            f"the last ended with {self._last.code}: {self._last.message}"
        )

    def _open(self, now_s: float) -> None:
        self.is_open = True
        self.probe_s = now_s
        self.take_probe(now_s)
