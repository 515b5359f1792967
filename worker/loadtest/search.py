"""The highest rate that a campaign holds: which rate to try next, and when to stop. Pure.

The rate is doubled until one is not held, then halved between the two until they are within 1 %.
The lower is confirmed for longer, for a service may have some calls to spare that last as long as a
step; a confirmation that fails goes down by 1, 2, 4 ... %, and halfway up again from one that is
held. Then the upper is tried again, after some minutes of load at it if these are asked for: a
service that scales out may hold it by now. If so, the search goes on from there, and what was
confirmed before is the capacity that is there at once. Source of the scheme: Nighthawk's adaptive
load controller (exponential, binary search, testing stage).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

GROWTH = 2.0
REGROWTH = 1.05  # from a rate that is held after all; its square after the next, and so on
RESOLUTION = 0.01
CONFIRMED_RESOLUTION = 0.02  # between confirmations
SCALED_SHARE = 0.05  # above what was held at once: below this it is the measurement's own doubt
CONFIRMATION_STEPS = 3  # a confirmation, and a second try, is so many times as long as a step
CONFIRMATIONS_MAX = 7  # in a row that fail; the last is 63 % below the first
ROUNDS_MAX = 3  # searches, each after a rate that was not held is held after all
TPS_MIN = 0.5


class Phase(StrEnum):
    """What a step is for."""

    GROW = "grow"
    BISECT = "bisect"
    CONFIRM = "confirm"
    SETTLE = "settle"  # load, and no judgement
    RETEST = "retest"


@dataclass(frozen=True, slots=True)
class Step:
    """A rate to offer for some seconds."""

    phase: Phase
    tps: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has come to; rates are calls per second."""

    held_tps: float | None  # the highest that was confirmed
    at_once_tps: float | None  # the one that was confirmed first, before the service had scaled
    failed_tps: float | None  # the lowest that was not held after all; None: tps_max was held

    @property
    def has_scaled(self) -> bool:
        """Whether the service held more at the end than at once."""
        return (self.held_tps or 0.0) > (1 + SCALED_SHARE) * (self.at_once_tps or 0.0)


class Search:
    """Says which rate to try (`step`), takes how it went (`record`), and says what it `found`."""

    def __init__(
        self, *, tps_start: float, tps_max: float, step_s: float, settle_s: float = 0.0
    ) -> None:
        self._tps_max = tps_max
        self._step_s = step_s
        self._settle_s = settle_s
        self._phase: Phase | None = Phase.GROW
        self._tps = tps_start
        self._growth = GROWTH
        self._low = 0.0  # the highest rate that was held in this round
        self._high: float | None = None  # the lowest that was not
        self._confirmed = 0.0  # the highest rate that was confirmed in this round
        self._failed_confirmations = 0
        self._rounds = 1
        self._at_once: float | None = None
        self._held: float | None = None

    @property
    def step(self) -> Step | None:
        """What to do next; None: nothing."""
        if self._phase is None:
            return None
        seconds = {
            Phase.CONFIRM: CONFIRMATION_STEPS * self._step_s,
            Phase.RETEST: CONFIRMATION_STEPS * self._step_s,
            Phase.SETTLE: self._settle_s,
        }.get(self._phase, self._step_s)
        return Step(self._phase, self._tps, seconds)

    @property
    def found(self) -> Found:
        """What is known so far."""
        return Found(held_tps=self._held, at_once_tps=self._at_once, failed_tps=self._high)

    def record(self, *, held: bool) -> None:
        """Take the outcome of `step`; that of Phase.SETTLE does not matter."""
        match self._phase:
            case Phase.GROW | Phase.BISECT:
                if held:
                    self._low = self._tps
                else:
                    self._high = self._tps
                self._narrow()
            case Phase.CONFIRM:
                if held:
                    self._confirmed = self._tps
                    self._conclude()
                else:
                    self._not_confirmed()
            case Phase.SETTLE:
                self._phase = Phase.RETEST
            case Phase.RETEST:
                self._retested(held=held)
            case None:
                raise RuntimeError("the search is over")

    def _narrow(self) -> None:
        """Choose the next rate from the highest that was held and the lowest that was not."""
        if self._high is None:
            self._phase = Phase.GROW if self._low < self._tps_max else Phase.CONFIRM
            self._tps = min(self._tps_max, self._low * self._growth)
            self._growth = min(GROWTH, self._growth**2)
        elif self._low == 0.0:
            self._tps = self._high / GROWTH
            if self._tps < TPS_MIN:
                self._phase = None
        elif self._high - self._low > RESOLUTION * self._high:
            self._phase, self._tps = Phase.BISECT, (self._low + self._high) / 2
        else:
            self._phase, self._tps = Phase.CONFIRM, self._low

    def _not_confirmed(self) -> None:
        self._high = self._tps
        if self._confirmed:
            self._conclude()
            return
        self._tps *= 1 - RESOLUTION * 2**self._failed_confirmations
        self._failed_confirmations += 1
        if self._held and self._tps <= self._held:  # confirmed in the round before
            self._confirmed = self._held
            self._conclude()
        elif self._failed_confirmations == CONFIRMATIONS_MAX or self._tps < TPS_MIN:
            self._phase = None

    def _conclude(self) -> None:
        """Go from what is confirmed halfway up to what is not, until they are close."""
        self._held = max(self._confirmed, self._held or 0.0)
        if self._high and self._high - self._confirmed > CONFIRMED_RESOLUTION * self._high:
            self._tps = (self._confirmed + self._high) / 2
            return
        self._at_once = self._at_once or self._held
        if self._high is None or self._rounds == ROUNDS_MAX:
            self._phase = None
        else:
            self._phase = Phase.SETTLE if self._settle_s and self._rounds == 1 else Phase.RETEST
            self._tps = self._high

    def _retested(self, *, held: bool) -> None:
        if not held:
            self._phase = None
            return
        self._rounds += 1
        self._growth = REGROWTH
        self._failed_confirmations, self._confirmed = 0, 0.0
        self._low, self._high = self._tps, None
        self._narrow()
