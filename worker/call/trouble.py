"""What is remembered of an outage, and of a row that failed. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A shorter outage costs a row that fails again an attempt: with many rows that always fail, it may
# take some probes to find one that does not.
REAL_S_MIN = 2.0


@dataclass(slots=True, eq=False)
class Downtime:
    """One outage: the time in which the service counts as down."""

    since_s: float
    probes: int = 0  # sent
    witness_failed_s: float = -math.inf  # when the last attempt at the witness left that failed
    is_tried: bool = False  # a row that had not failed was tried, in vain
    is_real: bool = True  # unless such a row was served, at once or nearly so
    is_over: bool = False

    def record_failure(self, sent_s: float, *, is_suspect: bool) -> None:
        """Record an attempt that failed. It left at `sent_s`; a suspect row had failed before."""
        self.is_tried |= not is_suspect and sent_s > self.since_s

    def end(self, sent_s: float, *, is_suspect: bool) -> None:
        """End the outage: an attempt was answered. It left at `sent_s`."""
        is_short = not self.is_tried or sent_s - self.since_s < REAL_S_MIN
        self.is_real, self.is_over = is_suspect or not is_short, True


@dataclass(slots=True)
class RowTrouble:
    """What the breaker knows of one row that failed; kept with the row."""

    is_counted: bool = False  # it has failed before, and that was no outage
    attempts: int = 0  # that count: not those of an outage
    downtime: Downtime | None = None  # the outage that took its last attempt
    named_failures: int = 0  # attempts that the service itself called failed, by an error's name
    named_since_s: float = 0.0  # when the first of these failed
    is_named: bool = False  # the last failure is one of these
    is_finished: bool = False  # it had all its attempts, over all the time of an outage
    unreached: int = 0  # attempts in turn that were not connected, while others were answered

    @property
    def is_suspect(self) -> bool:
        """Whether the row itself may be at fault."""
        return self.attempts > 0 or (self.downtime is not None and not self.downtime.is_over)

    @property
    def is_to_blame(self) -> bool:
        """Whether an attempt of the row has failed outside any outage."""
        downtime = self.downtime
        return self.attempts > 0 or (
            downtime is not None and downtime.is_over and not downtime.is_real
        )

    def look_back(self) -> None:
        """See what became of the outage that took the last attempt."""
        if self.downtime is None or not self.downtime.is_over:
            return
        if self.downtime.is_real:
            self.is_counted, self.named_failures = False, 0
        else:
            self.attempts += 1
        self.downtime = None

    def record_failure(self, now_s: float, *, is_named: bool) -> None:
        """Count a failure, and whether the service itself has named it."""
        self.is_named = is_named
        if is_named:
            self.named_since_s = self.named_since_s if self.named_failures else now_s
            self.named_failures += 1
