"""A service with a capacity, and a run that calls it at an adaptive rate, in simulated time."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from worker.rate.ramp import Ramp, Schedule

SERVED, THROTTLED, FAILED = "served", "throttled", "failed"


@dataclass(kw_only=True)
class Service:
    """A token bucket of `burst_s` seconds, whose rate may change; answers take their time."""

    capacity: Callable[[float], float]  # per second, at a second
    burst_s: float = 0.25
    latency_s: float = 0.03
    spread: float = 0.3  # sigma of the lognormal latency
    throttled_latency_s: float = 0.005
    ambient_share: float = 0.0
    failed_share: Callable[[float], float] = lambda _: 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        """Begin with a full bucket."""
        self._random = random.Random(self.seed)
        self._tokens = self._most(0.0)
        self._at_s = 0.0

    def call(self, now_s: float) -> tuple[str, float]:
        """Return how a call ends, and when."""
        slow_s = self.latency_s * math.exp(self._random.gauss(0.0, self.spread))
        filled = self._tokens + self.capacity(now_s) * (now_s - self._at_s)
        self._tokens, self._at_s = min(self._most(now_s), filled), now_s
        if self._random.random() < self.failed_share(now_s):
            return FAILED, now_s + slow_s
        if self._tokens < 1 or self._random.random() < self.ambient_share:
            return THROTTLED, now_s + self.throttled_latency_s
        self._tokens -= 1
        return SERVED, now_s + slow_s

    def _most(self, now_s: float) -> float:
        return max(1.0, self.burst_s * self.capacity(now_s))


@dataclass
class History:
    """When attempts left, how they ended, and which rate held from when on."""

    sent: list[tuple[float, str]] = field(default_factory=list)
    rates: list[tuple[float, float]] = field(default_factory=list)

    def count(self, what: str, begin_s: float, end_s: float) -> int:
        """Return how many attempts of the window ended so."""
        return sum(begin_s <= at < end_s and how == what for at, how in self.sent)

    def throttled_share(self, begin_s: float, end_s: float) -> float:
        """Return the share of the window's attempts that was throttled."""
        throttled = self.count(THROTTLED, begin_s, end_s)
        return throttled / max(1, throttled + self.count(SERVED, begin_s, end_s))

    def served_per_s(self, begin_s: float, end_s: float) -> float:
        """Return how many a second were served in the window."""
        return self.count(SERVED, begin_s, end_s) / (end_s - begin_s)

    def rate_at(self, at_s: float) -> float:
        """Return the rate that held at a second."""
        return [rate for begin_s, rate in self.rates if begin_s <= at_s][-1]


class Rate(Protocol):
    """What sets the rate: an AdaptiveRate, or what is around one."""

    @property
    def tps(self) -> float:
        """Attempts per second."""
        ...

    def record_sent(self, now_s: float) -> None:
        """See AdaptiveRate, here and below."""
        ...

    def record_answer(self, sent_s: float, now_s: float) -> bool: ...

    def record_throttle(self, sent_s: float, now_s: float) -> bool: ...

    def record_failure(self, sent_s: float, now_s: float) -> bool: ...


def simulate(
    rate: Rate,
    service: Service,
    *,
    seconds: float,
    tps_max: float,
    in_flight_max: int = 256,
    arrivals_per_s: float = math.inf,
    ramp: Ramp | None = None,
) -> History:
    """Call the service as fast as the rate allows; return what happened."""
    schedule = Schedule(ramp or Ramp(tps=tps_max, start_tps=tps_max, ramp_s=0.0), start_s=0.0)
    schedule.limit(rate.tps, now_s=0.0)
    history = History(rates=[(0.0, rate.tps)])
    notes = {
        SERVED: rate.record_answer,
        THROTTLED: rate.record_throttle,
        FAILED: rate.record_failure,
    }
    answers: list[tuple[float, int, float, str]] = []
    numbers, now_s, next_row_s = count(), 0.0, 0.0
    while now_s < seconds:
        is_free = len(answers) < in_flight_max
        due_s = max(schedule.due_s(now_s), next_row_s, now_s) if is_free else math.inf
        if answers and answers[0][0] <= due_s:
            now_s, _, sent_s, how = heapq.heappop(answers)
            if notes[how](sent_s, now_s):
                schedule.limit(rate.tps, now_s=now_s)
                history.rates.append((now_s, rate.tps))
            continue
        now_s = due_s
        schedule.due_s(now_s)
        schedule.take(now_s)
        next_row_s = max(next_row_s, now_s - 0.1) + 1 / arrivals_per_s
        how, ends_s = service.call(now_s)
        rate.record_sent(now_s)
        history.sent.append((now_s, how))
        heapq.heappush(answers, (ends_s, next(numbers), now_s, how))
    return history
