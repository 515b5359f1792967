"""Looks at a load test once a second: records what has ended, and ends what must not go on."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio import to_thread

from worker.loadtest.attempts_file import AttemptsFile
from worker.loadtest.generator import Generator
from worker.loadtest.measure import Attempt, Interval, Kinds, Measures, Meter, counted
from worker.loadtest.timeline_file import TimelineFile
from worker.personalize.rejections import Rejections

INTERVAL_S = 1.0
_CALLS_UNANSWERED = 10


@dataclass(slots=True)
class Status:
    """How it goes now: what views show."""

    labels: list[str] = field(default_factory=list)  # of the stages so far
    begun_s: float = field(default_factory=time.monotonic)
    seconds: float | None = None  # that it takes in all; None: not known yet
    last: Interval | None = None
    total: Measures = field(default_factory=Measures)

    @property
    def label(self) -> str:
        """The stage that the last interval was in."""
        number = 0 if self.last is None else self.last.stage
        return self.labels[number] if number < len(self.labels) else "start"


class Observer:
    """Empties the generator into the meter, the timeline and the file of attempts."""

    def __init__(
        self,
        generator: Generator,
        kinds: Kinds,
        *,
        timeline: TimelineFile,
        attempts_file: AttemptsFile | None,
    ) -> None:
        self.meter = Meter(kinds)
        self.status = Status()
        self._generator = generator
        self._timeline = timeline
        self._file = attempts_file
        self._one_at_a_time = anyio.Lock()
        self._at_s = generator.elapsed_s
        self._busy_s = time.thread_time()
        self._sent = 0
        self._due = 0.0
        self._before = Measures()

    async def run(self, on_interval: Callable[[], Awaitable[None]]) -> None:
        """Observe until cancelled. Raises what ends the test."""
        while True:
            left_s = INTERVAL_S - self._generator.elapsed_s % INTERVAL_S
            # A timer may come a moment early; that is no interval.
            await anyio.sleep(left_s if left_s > INTERVAL_S / 10 else left_s + INTERVAL_S)
            await self.observe()
            await on_interval()

    async def observe(self) -> None:
        """Record everything that has ended by now.

        Raises RefusedError or StoppedError when the service takes no call, or is not there.
        """
        async with self._one_at_a_time:
            generator = self._generator
            attempts, generator.attempts = generator.attempts, []
            stage, at_s, busy_s = generator.current_stage, generator.elapsed_s, time.thread_time()
            seconds, busy_in_s = at_s - self._at_s, busy_s - self._busy_s
            sent, lag_s = generator.sent - self._sent, generator.loop_lag_s
            due = generator.due - self._due
            self._at_s, self._busy_s, self._sent = at_s, busy_s, generator.sent
            self._due += due
            generator.loop_lag_s = 0.0
            quantiles = await to_thread.run_sync(self._take, attempts)
            measures = self.meter.stage(stage)
            measures.busy_s += busy_in_s
            measures.wall_s += seconds
            self._record_unsent()
            total, before = counted(self.meter.stages), self._before
            missed = total.missed + total.crowded
            interval = Interval(
                at_s=at_s,
                seconds=seconds,
                stage=stage,
                target_tps=due / seconds if seconds else 0.0,
                sent=sent,
                successes=total.successes - before.successes,
                throttles=total.throttles - before.throttles,
                errors=total.errors.total() - before.errors.total(),
                errors_by_code=dict(total.errors - before.errors),
                missed=missed - before.missed - before.crowded,
                in_flight=generator.in_flight,
                loop_lag_ms_max=lag_s * 1e3,
                cpu_share=busy_in_s / seconds if seconds else 0.0,
                **quantiles,
            )
            self._before = total
            self.status.last, self.status.total = interval, total
            await to_thread.run_sync(self._timeline.add, interval)
            check_service(total, generator.rejections)

    def _take(self, attempts: list[Attempt]) -> dict[str, float | None]:
        if self._file is not None and attempts:
            self._file.add(attempts)
        return self.meter.take(attempts)

    def _record_unsent(self) -> None:
        generator = self._generator
        for name in ("missed", "crowded", "waited"):
            counts = getattr(generator, name)
            for stage, count in counts.items():
                measures = self.meter.stage(stage)
                setattr(measures, name, getattr(measures, name) + count)
            counts.clear()


def check_service(total: Measures, rejections: Rejections, *, at_end: bool = False) -> None:
    """Raise when no call has succeeded and none will: there is nothing to measure.

    As a run would be judged. RefusedError: all calls are rejected; StoppedError: none is answered.
    """
    if total.successes or total.throttles or not total.errors:
        return
    if refusal := rejections.refusal(of=total.calls if at_end else None):
        raise refusal
    if total.calls < (1 if at_end else _CALLS_UNANSWERED):
        return
    if unanswered := rejections.unanswered(of=total.calls):
        raise unanswered
