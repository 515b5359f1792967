"""Whether the service is down: one failing row says nothing, all of them in turn do. Pure.

What fails is counted since the last attempt that was answered. The service counts as down in three
cases: so many different rows have failed since then that the rows cannot be at fault; as many
attempts were throttled for a while; no connection can be made. Then one probe at a time is sent,
ever more rarely, and the first answer ends the outage. A row that broke before, while others were
answered, bears no witness: at the end of a run, those that always fail are among themselves.

Probes are for rows that have not failed. When one of these is served soon, there was no outage,
and the attempts that failed are their rows' own. Where there are none, a witness is asked: a row
that was answered before. Where there is no witness either, only few rows are left, and the service
itself says that it fails, a row is finished that had all its attempts over `outage_s`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from worker.call.backoff import HINT_MAX_S
from worker.call.trouble import Downtime, RowTrouble
from worker.model import Failure
from worker.personalize.error_codes import (
    CONNECT_FAILED,
    Source,
    Verdict,
    meaning_of,
    redacted_code,
    redacted_failure,
)

FAILURES_TO_OPEN = 10
# Throttling is an answer, of a service that may serve others of these rows a moment later: the rate
# is what helps. Only when none of them is served for so long, it is an outage. So it is where few
# are left to fail, and those cannot connect.
THROTTLED_S_TO_OPEN = 2.0
PROBE_S_MIN = 0.1
PROBE_S_MAX = 5.0
SPACED_S_MIN = 0.02  # between attempts where only rows that failed are left
# So many rows, none of which was tried before, may all be rows that always fail: they have had all
# their attempts soon after the time of an outage. More of them stop the run.
FEW_ROWS_MAX = 1_000
FEW_ROWS_PER_S = 25  # of the time of an outage
# It may be long since the first failure when enough have failed to count as an outage.
PROBED_S_MIN = 1.0
PROBES_TO_WITNESS = 2  # that are for other rows, where there are some
# Before the first answer of any kind: who named a wrong endpoint should know soon.
UNREACHED_S_MAX = 10.0


class Breaker:
    """Told of every failed attempt, and of the first answer after one. Brings no clock."""

    def __init__(self, outage_s: float, *, attempts_max: int = 6) -> None:
        self._outage_s = outage_s
        self._attempts_max = max(2, attempts_max)  # of a row, over `outage_s`
        self._few_rows = min(FEW_ROWS_MAX, FEW_ROWS_PER_S * outage_s)
        self._downtime = Downtime(-math.inf, is_over=True)
        self._failures = self._broken_rows = self._unreached = 0
        self._ended_s = -math.inf  # the last outage
        self._last: Failure | None = None
        self._probe_after_s = PROBE_S_MIN
        self.rows_left = math.inf  # that have not been tried yet, as far as is known
        self.has_witness = False  # there is a row that was answered, and may be asked again
        self.is_reached = False  # anything that came from the service, an error even
        self.since_s: float | None = None  # the first failure since the last answer
        self.is_open = False  # the service counts as down
        self._hinted_s = -math.inf  # until when the service asks to wait
        self.probe_s = 0.0  # when the next probe is due, while open

    def record_answer(
        self, now_s: float, row: RowTrouble | None = None, *, sent_s: float | None = None
    ) -> None:
        """The service has answered an attempt of `row`: what failed before is over."""
        if self.is_open:
            self._ended_s = now_s
            is_suspect = row is not None and row.is_suspect
            self._downtime.end(now_s if sent_s is None else sent_s, is_suspect=is_suspect)
        self.is_reached = True
        self._failures = self._broken_rows = self._unreached = 0
        self._probe_after_s = PROBE_S_MIN
        self.since_s, self.is_open = None, False

    def record_failure(
        self, failure: Failure, verdict: Verdict, row: RowTrouble, *, sent_s: float, now_s: float
    ) -> bool:
        """Count an attempt that was throttled or broken; return whether it counts for no row.

        One that left before an outage was over belongs to it, even if it ends later. That it cannot
        be connected can be no row's fault.
        """
        row.look_back()
        if not self.is_open and sent_s <= self._ended_s:
            row.downtime = self._downtime
            return True
        row.record_failure(now_s, is_named=_is_named(failure))
        self._last = failure
        is_unreached = failure.code == CONNECT_FAILED
        is_first = is_unreached and not self.is_reached
        if failure.http_status is not None:
            self.is_reached = True
        if self.since_s is None:
            self.since_s = now_s
        # Throttling is never a row's fault, so each time counts: at a low rate rows would else run
        # out of attempts before so many have failed.
        self._failures += not row.is_counted or verdict is Verdict.THROTTLED
        self._broken_rows += not row.is_counted and verdict is Verdict.TRANSIENT
        self._unreached += is_unreached
        row.is_counted |= not is_unreached
        if self.is_open:
            hint_s = min(failure.retry_after_s or 0.0, HINT_MAX_S)
            self._hinted_s = now_s + hint_s
            self.probe_s = max(self.probe_s, self._hinted_s)
        elif is_first:
            self._open(now_s)
        else:
            self.look(now_s)
        row.unreached = row.unreached + 1 if is_unreached and not self.is_open else 0
        if self.is_open:
            self._downtime.record_failure(sent_s, is_suspect=row.is_suspect)
            row.downtime = self._downtime
            over_s = now_s - row.named_since_s
            had_all = row.named_failures >= self._attempts_max and over_s >= self._outage_s
            row.is_finished = had_all and self.may_be_rows_fault
        else:
            row.attempts += not is_unreached
        return self.is_open or is_unreached

    def record_witness_failed(
        self, failure: Failure, verdict: Verdict, *, sent_s: float, now_s: float
    ) -> None:
        """Count an attempt of the witness that failed: a row that was answered before."""
        self.record_failure(failure, verdict, RowTrouble(), sent_s=sent_s, now_s=now_s)
        self._downtime.witness_failed_s = max(self._downtime.witness_failed_s, sent_s)

    def excuse(self, row: RowTrouble) -> None:
        """Take a row's last attempt for one of the outage that there is, so far."""
        row.attempts, row.is_counted, row.downtime = row.attempts - 1, False, self._downtime

    def look(self, now_s: float) -> bool:
        """Return whether the service counts as down now; time alone may decide it."""
        if not self.is_open and self.since_s is not None:
            is_long = now_s - self.since_s >= THROTTLED_S_TO_OPEN
            are_many = self._failures >= FAILURES_TO_OPEN or self._unreached > 0
            most = max(self._broken_rows, self._unreached)
            if (is_long and are_many) or most >= FAILURES_TO_OPEN:
                self._open(now_s)
        return self.is_open

    def take_probe(self, now_s: float) -> None:
        """Send one probe; the next one is due after twice the time."""
        self._downtime.probes += 1
        self.probe_s = now_s + self._probe_after_s
        self._probe_after_s = min(2 * self._probe_after_s, PROBE_S_MAX)

    @property
    def is_tried(self) -> bool:
        """Whether in this outage a row that had not failed was tried, in vain."""
        return self._downtime.is_tried

    @property
    def may_be_rows_fault(self) -> bool:
        """Whether the few rows that are left may be at fault, all of them, and not the service."""
        are_few = self.rows_left <= self._few_rows
        return self.is_open and are_few and not self.has_witness and self._is_named

    def asks_witness(self, *, has_others: bool, is_turn: bool) -> bool:
        """Return whether the witness is to be the next probe: it may show that it is the rows.

        In turns with these where there are no others. Silence stops a run in any case.
        """
        is_time = self._downtime.probes == PROBES_TO_WITNESS if has_others else is_turn
        return self.has_witness and self._is_named and is_time

    @property
    def is_witness_due(self) -> bool:
        """Whether the witness is still to be asked when an outage's time is up."""
        is_known = self._downtime.witness_failed_s >= self.over_s
        return self.has_witness and self._is_named and not is_known

    def spaced_s(self, rows: float) -> float:
        """Return the time between attempts, when all of so many rows are to have all of theirs."""
        return max(SPACED_S_MIN, self._outage_s / (self._attempts_max * max(1, rows)))

    def due_s(self, row: RowTrouble) -> float:
        """Return when a row is to be tried again that failed, while no other row can be tried.

        When the service says itself that it fails: as often as attempts are allowed, evenly over
        the time of an outage. Else with the probes.
        """
        if not row.is_named or self.has_witness:
            return self.probe_s
        share = min(row.named_failures / (self._attempts_max - 1), 1.0)
        return max(self._hinted_s, row.named_since_s + share * self._outage_s)

    @property
    def last_code(self) -> str:
        """What the last failed attempt ended with."""
        return redacted_code(self._last.code) if self._last else ""

    @property
    def over_s(self) -> float:
        """When an outage that has begun lasts too long."""
        limit_s = self._outage_s if self.is_reached else min(self._outage_s, UNREACHED_S_MAX)
        return max((self.since_s or 0.0) + limit_s, self._downtime.since_s + PROBED_S_MIN)

    def reason(self, now_s: float, *, suspects: Iterable[RowTrouble] = ()) -> str | None:
        """Return why the run is to stop, or None while it may wait.

        `suspects` are the rows that wait and have failed: where no others but a few are left, each
        may be at fault, while it is the service itself that says so.
        """
        if not self.is_open or self.since_s is None or self._last is None or now_s < self.over_s:
            return None
        if self.is_witness_due or (
            self.may_be_rows_fault and all(row.is_named for row in suspects)
        ):
            return None
        return (
            f"the service does not answer: no attempt succeeded for {now_s - self.since_s:.0f} s; "
            f"the last ended with {redacted_failure(self._last)}"
        )

    @property
    def _is_named(self) -> bool:
        return self._last is not None and _is_named(self._last)

    def _open(self, now_s: float) -> None:
        self.is_open = True
        self._downtime = Downtime(now_s)
        self.probe_s = now_s
        self.take_probe(now_s)
        self._downtime.probes = 0


def _is_named(failure: Failure) -> bool:
    """Whether the service itself says that it has failed, by an error's name."""
    meaning = meaning_of(failure.code, failure.http_status)
    return meaning.source is Source.SERVICE and meaning.verdict is Verdict.TRANSIENT
