"""Whether the service is down: one failing row says nothing, all of them in turn do. Pure.

What fails is counted since the last attempt that was answered. The service counts as down when so
many different rows have failed since then that it cannot be theirs, or as many attempts were
throttled for a while, or when it cannot even be connected to. Then a probe at a time is sent, ever
more rarely, and the first answer ends it. A row that broke before, while others were answered,
bears no witness: at the end of a run, those that always fail are among themselves.

Probes are for rows that have not failed. When one of these is served soon, there was no outage,
and the attempts that failed are their rows' own. Where only rows that failed are left, and the
service itself says that it fails, a row is finished that had all its attempts over `outage_s`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from worker.call.retry import HINT_MAX_S
from worker.model import Failure
from worker.personalize.error_codes import (
    CONNECT_FAILED,
    Source,
    Verdict,
    meaning_of,
    told_code,
    told_of,
)

FAILURES_TO_OPEN = 10
# Throttling is an answer, of a service that may serve others of these rows a moment later: the rate
# is what helps. Only when none of them is served for so long, it is an outage.
THROTTLED_S_TO_OPEN = 2.0
PROBE_S_MIN = 0.1
PROBE_S_MAX = 5.0
SPACED_S_MIN = 0.05  # between attempts where only rows that failed are left
# A shorter outage costs a row that fails again an attempt: with many rows that always fail, it may
# take some probes to find one that does not.
REAL_S_MIN = 2.0
# Before the first answer of any kind: who named a wrong endpoint should know soon.
UNREACHED_S_MAX = 10.0


@dataclass(slots=True, eq=False)
class Spell:
    """One time in which the service counts as down."""

    since_s: float
    is_tried: bool = False  # a row that had not failed was tried, in vain
    is_real: bool = True  # unless such a row was served, at once or nearly so
    is_over: bool = False


@dataclass(slots=True)
class RowTrouble:
    """What the breaker knows of one row that failed; kept with the row."""

    is_counted: bool = False  # it has failed before, and that was no outage
    attempts: int = 0  # that count: not those of an outage
    spell: Spell | None = None  # the outage that took its last attempt
    spoken: int = 0  # attempts that the service itself said have failed
    spoken_s: float = 0.0  # since when
    is_spoken: bool = False  # the last one is one of these
    is_finished: bool = False  # it had all its attempts, over all the time of an outage

    @property
    def is_suspect(self) -> bool:
        """Whether it may be the row that is at fault."""
        return self.attempts > 0 or (self.spell is not None and not self.spell.is_over)


class Breaker:
    """Told of every failed attempt, and of the first answer after one. Brings no clock."""

    def __init__(self, outage_s: float, *, attempts_max: int = 6) -> None:
        self._outage_s = outage_s
        self._attempts_max = max(2, attempts_max)  # of a row, over `outage_s`
        self._spell = Spell(-math.inf, is_over=True)
        self._is_final = self._is_hopeless = False
        self._failures = self._broken_rows = 0
        self._ended_s = -math.inf  # the last outage
        self._last: Failure | None = None
        self._probe_after_s = PROBE_S_MIN
        self.has_all_rows = False  # no others will come
        self.has_spoken = False  # anything that came from the service, an error even
        self.since_s: float | None = None  # the first failure since the last answer
        self.is_open = False  # the service counts as down
        self._hinted_s = -math.inf  # until when the service asks to wait
        self.probe_s = 0.0  # when the next probe is due, while open

    def note_answer(self, now_s: float, row: RowTrouble | None = None) -> None:
        """The service has answered an attempt of `row`: what failed before is over."""
        if self.is_open:
            self._ended_s = now_s
            is_short = not self._spell.is_tried or now_s - self._spell.since_s < REAL_S_MIN
            self._spell.is_real = not is_short or (row is not None and row.is_suspect)
        self.has_spoken = True
        self._failures = self._broken_rows = 0
        self._probe_after_s = PROBE_S_MIN
        self.since_s, self.is_open = None, False
        self._spell.is_over = True
        self._is_final = self._is_hopeless = False

    def note_failure(
        self, failure: Failure, verdict: Verdict, row: RowTrouble, *, sent_s: float, now_s: float
    ) -> bool:
        """Count an attempt that was throttled or broken; return whether an outage took it.

        One that left before an outage was over belongs to it, even if it ends later.
        """
        self._look_back(row)
        if not self.is_open and sent_s <= self._ended_s:
            row.spell = self._spell
            return True
        self._note_word(failure, row, now_s)
        if self.is_open and not row.is_suspect and sent_s >= self._spell.since_s:
            self._spell.is_tried = True
            self._is_hopeless = self._is_final and not self.has_all_rows
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
            self._hinted_s = now_s + hint_s
            self.probe_s = max(self.probe_s, self._hinted_s)
        elif failure.code == CONNECT_FAILED:  # can be no row's fault
            self._open(now_s)
        else:
            self.look(now_s)
        if self.is_open:
            row.spell = self._spell
            over_s = now_s - row.spoken_s
            row.is_finished = row.spoken >= self._attempts_max and over_s >= self._outage_s
        else:
            row.attempts += 1
        return self.is_open

    def excuse(self, row: RowTrouble) -> None:
        """Take a row's last attempt for one of the outage that there is, so far."""
        row.attempts, row.is_counted, row.spell = row.attempts - 1, False, self._spell

    def _look_back(self, row: RowTrouble) -> None:
        """See what became of the outage that took a row's last attempt."""
        if row.spell is None or not row.spell.is_over:
            return
        if row.spell.is_real:
            row.is_counted, row.spoken = False, 0
        else:
            row.attempts += 1
        row.spell = None

    @staticmethod
    def _note_word(failure: Failure, row: RowTrouble, now_s: float) -> None:
        row.is_spoken = _is_spoken(failure)
        if row.is_spoken:
            row.spoken_s = row.spoken_s if row.spoken else now_s
            row.spoken += 1

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
    def is_tried(self) -> bool:
        """Whether in this outage a row that had not failed was tried, in vain."""
        return self._spell.is_tried

    @property
    def is_spoken(self) -> bool:
        """Whether the service itself said last that it fails."""
        return self._last is not None and _is_spoken(self._last)

    def spaced_s(self, rows: int) -> float:
        """Return the time between attempts, when all of so many rows are to have all of theirs."""
        return max(SPACED_S_MIN, self._outage_s / (self._attempts_max * max(1, rows)))

    def due_s(self, row: RowTrouble) -> float:
        """Return when a row is to be tried again that failed, while no other row can be tried.

        When the service says itself that it fails: as often as attempts are allowed, evenly over
        the time of an outage. Else with the probes.
        """
        if not row.is_spoken:
            return self.probe_s
        share = min(row.spoken / (self._attempts_max - 1), 1.0)
        return max(self._hinted_s, row.spoken_s + share * self._outage_s)

    @property
    def last_code(self) -> str:
        """What the last failed attempt ended with."""
        return told_code(self._last.code) if self._last else ""

    @property
    def over_s(self) -> float:
        """When an outage that has begun lasts too long."""
        limit_s = self._outage_s if self.has_spoken else min(self._outage_s, UNREACHED_S_MAX)
        return (self.since_s or 0.0) + limit_s

    def reason(self, now_s: float, *, suspects: Iterable[RowTrouble] = ()) -> str | None:
        """Return why the run is to stop, or None while it may wait.

        `suspects` are the rows that wait, when all of them have failed: each may be at fault, while
        it is the service itself that says so, and until another row is tried in vain.
        """
        if not self.is_open or self.since_s is None or self._last is None or now_s < self.over_s:
            return None
        if not self._is_hopeless:
            listed = [row.is_spoken for row in suspects]
            are_all = bool(listed) or (self.has_all_rows and self.is_spoken)
            self._is_final = are_all and all(listed)
            if self._is_final:
                return None
        return (
            f"the service does not answer: no attempt succeeded for {now_s - self.since_s:.0f} s; "
            f"the last ended with {told_of(self._last)}"
        )

    def _open(self, now_s: float) -> None:
        self.is_open = True
        self._spell = Spell(now_s)
        self.probe_s = now_s
        self.take_probe(now_s)


def _is_spoken(failure: Failure) -> bool:
    """Whether it is the service's own word that it has failed."""
    meaning = meaning_of(failure.code, failure.http_status)
    return meaning.source is Source.SERVICE and meaning.verdict is Verdict.TRANSIENT
