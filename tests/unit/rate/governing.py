"""A governor, and all that it touches."""

from __future__ import annotations

from support.clock import FakeClock
from support.lanes import constant

from worker.personalize.error_codes import Verdict
from worker.rate._adaptive import AdaptiveRate
from worker.rate.governor import Governor
from worker.rate.pacer import Pacer
from worker.telemetry.tally import Tally


class RecordingPacer(Pacer):
    """Notes which rates it is given."""

    def __init__(self, tps: float) -> None:
        super().__init__(constant(tps), FakeClock())
        self.limits: list[float] = []

    def limit(self, tps: float) -> None:
        self.limits.append(tps)


class Bench:
    """A governor, and a service that answers its attempts in no time."""

    def __init__(self, *, tps: float = 100.0, known_tps: float | None = None) -> None:
        self.clock = FakeClock()
        self.now_s = 0.0
        self.tally = Tally(rows_expected=1000)
        self.pacer = RecordingPacer(tps)
        self.adaptive = AdaptiveRate(tps_max=tps, start_tps=tps, known_tps=known_tps, now_s=0.0)
        self.governor = Governor(
            self.pacer,
            self.tally,
            tps_max=tps,
            adaptive=self.adaptive,
            clock=self.clock,
        )

    @property
    def now_s(self) -> float:
        return self.clock.time_s

    @now_s.setter
    def now_s(self, now_s: float) -> None:
        self.clock.time_s = now_s

    def send(self, attempts: int, *, throttled_share: float, per_s: float = 100.0) -> None:
        for number in range(attempts):
            self.now_s += 1 / per_s
            self.governor.record_sent(self.now_s)
            if (number * throttled_share) % 1 + throttled_share >= 1:
                self.governor.record_failure(Verdict.THROTTLED, self.now_s, self.now_s)
            else:
                self.governor.record_answer(self.now_s, self.now_s)
