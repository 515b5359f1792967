"""What is remembered of an outage, and of a row that failed. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A shorter outage costs a row that fails again an attempt: with many rows that always fail, it may
# take some probes to find one that does not.
REAL_S_MIN = 2.0


@dataclass(slots=True, eq=False)
class Spell:
    """One time in which the service counts as down."""

    since_s: float
    probes: int = 0  # sent
    refuted_s: float = -math.inf  # when a row left in vain that had been answered before
    is_tried: bool = False  # a row that had not failed was tried, in vain
    is_real: bool = True  # unless such a row was served, at once or nearly so
    is_over: bool = False

    def record_failure(self, sent_s: float, *, is_suspect: bool) -> None:
        """Note that an attempt has failed that left at `sent_s`, of a row that had or not."""
        self.is_tried |= not is_suspect and sent_s > self.since_s

    def end(self, sent_s: float, *, is_suspect: bool) -> None:
        """Note that an attempt was answered that left at `sent_s`, of a row that failed or not."""
        is_short = not self.is_tried or sent_s - self.since_s < REAL_S_MIN
        self.is_real, self.is_over = is_suspect or not is_short, True


@dataclass(slots=True)
class RowTrouble:
    """What the breaker knows of one row that failed; kept with the row."""

    is_counted: bool = False  # it has failed before, and that was no outage
    attempts: int = 0  # that count: not those of an outage
    spell: Spell | None = None  # the outage that took its last attempt
    spoken: int = 0  # attempts whose failure the service itself has named
    spoken_s: float = 0.0  # since when
    is_spoken: bool = False  # the last one is one of these
    is_finished: bool = False  # it had all its attempts, over all the time of an outage
    unreached: int = 0  # attempts in turn that were not connected, while others were answered

    @property
    def is_suspect(self) -> bool:
        """Whether it may be the row that is at fault."""
        return self.attempts > 0 or (self.spell is not None and not self.spell.is_over)

    @property
    def is_to_blame(self) -> bool:
        """Whether an attempt of it has failed that was no outage's."""
        spell = self.spell
        return self.attempts > 0 or (spell is not None and spell.is_over and not spell.is_real)

    def look_back(self) -> None:
        """See what became of the outage that took the last attempt."""
        if self.spell is None or not self.spell.is_over:
            return
        if self.spell.is_real:
            self.is_counted, self.spoken = False, 0
        else:
            self.attempts += 1
        self.spell = None

    def record_word(self, now_s: float, *, is_spoken: bool) -> None:
        """Note a failure, and whether it is the service's own word."""
        self.is_spoken = is_spoken
        if is_spoken:
            self.spoken_s = self.spoken_s if self.spoken else now_s
            self.spoken += 1
