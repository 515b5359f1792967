"""The calls of one load test, stage by stage or as a search says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from anyio import to_thread

from worker.config.loadtest import Loadtest, SearchSection
from worker.config.thresholds import Threshold, parse_threshold
from worker.loadtest._schedule import Leg, Schedule, legs_of
from worker.loadtest.generator import Generator
from worker.loadtest.measure import Measures, together
from worker.loadtest.observer import Observer
from worker.loadtest.result import Judgement, Searched, StageAsked, search_result
from worker.loadtest.search import Found, Phase, Search, Step
from worker.loadtest.verdict import client_limits, judged, verdict
from worker.runtime import log
from worker.runtime.stop import StopSwitch

WARM_UP_SHARE = 0.1  # of a step of a search, which is not judged
TRIES_MAX = 3  # of a step in which the client was the limit
_CALLS_TO_ABORT = 100


class Session:
    """Makes the calls, and concludes from what `observer` has measured of them."""

    def __init__(
        self, settings: Loadtest, generator: Generator, observer: Observer, switch: StopSwitch
    ) -> None:
        self._settings = settings
        self._generator = generator
        self._observer = observer
        self._switch = switch
        self._thresholds = [parse_threshold(text) for text in settings.thresholds]
        self._invalid: list[str] = []
        self._found: Found | None = None
        self._confirmation: Measures | None = None
        self.stages: list[StageAsked] = []  # what was asked for in each
        self.is_broken = False  # a threshold has ended it

    @property
    def stopped(self) -> str | None:
        """Why it ended before its end, if it did; a broken threshold is an end."""
        return self._switch.reason

    def plan(self) -> dict[str, Any]:
        """Return fields that say what is to come, for the log."""
        if search := self._settings.search:
            return {"search": f"up to {search.tps_max:g}/s"}
        schedule = Schedule(list(legs_of(self._settings.stages)))
        return {
            "stages": len(self._settings.stages),
            "calls": schedule.calls,
            "seconds": schedule.seconds,
        }

    async def run(self) -> None:
        """Make all calls; return when all have ended."""
        if self._settings.search:
            await self._search(self._settings.search)
        else:
            await self._run_stages()

    async def abort_if_broken(self) -> None:
        """End the test when a threshold is broken, and it is to end then."""
        settings, elapsed_s = self._settings, self._generator.elapsed_s
        calls = self._observer.status.total.calls
        if not settings.abort_on_breach or self.is_broken or elapsed_s < settings.abort_after_s:
            return
        if calls >= _CALLS_TO_ABORT:
            whole = await to_thread.run_sync(together, self._observer.meter.stages)
            metrics = whole.metrics()
            for each in self._thresholds:
                if each.metric != "tps" and not each.holds(metrics):
                    log.warning("threshold broken", threshold=each.text, seen=metrics[each.metric])
                    self.is_broken = True
                    self._generator.stop()
                    return

    def conclusion(self, per_1000_usd: float | None) -> Judgement:
        """Return thresholds, verdict and what was found, for the result."""
        stages = self._observer.meter.stages
        whole = together(stages) if self._found is None else self._confirmation
        kept = () if whole is None else judged(self._thresholds, whole.metrics())
        invalid = list(self._invalid)
        if self._found is None:
            invalid += self._client_limits(stages)
            if not whole or not whole.successes:
                invalid.append("no call succeeded")
        held_none = self._found is not None and self._found.held_tps is None
        return Judgement(
            thresholds=kept,
            verdict=verdict(
                stopped=self.stopped,
                invalid=invalid,
                thresholds=kept,
                failed="no rate was held" if held_none else None,
            ),
            search=None
            if self._found is None
            else search_result(self._found, self._confirmation, per_1000_usd=per_1000_usd),
        )

    def _client_limits(self, measures: Sequence[Measures]) -> list[str]:
        return client_limits(
            measures,
            late_share_max=self._settings.late_share_max,
            in_flight_max=self._settings.in_flight_max,
        )

    async def _run_stages(self) -> None:
        legs = list(legs_of(self._settings.stages))
        count = len(legs)
        names = [f"{number} of {count}" for number in range(1, count + 1)]
        self._observer.status.seconds = sum(leg.seconds for leg in legs)
        await self._offer(legs, [(name, None) for name in names])

    async def _search(self, section: SearchSection) -> None:
        search = Search(
            tps_start=section.tps_start,
            tps_max=section.tps_max,
            step_s=section.step_s,
            settle_s=section.settle_s,
        )
        limits = [
            Threshold("throttle_share", "<=", section.throttle_share_max),
            Threshold("error_share", "<=", section.error_share_max),
        ]
        if section.p99_ms_max is not None:
            limits.append(Threshold("p99_ms", "<=", section.p99_ms_max))
        while (step := search.step) is not None:
            measures = await self._try(step)
            if measures is None:
                break
            broken = [limit for limit in limits if not limit.holds(measures.metrics())]
            if step.phase is not Phase.SETTLE:
                searched = Searched(phase=step.phase.value, held=not broken)
                self.stages[-1] = replace(self.stages[-1], searched=searched)
            log.info(
                "step",
                phase=step.phase.value,
                tps=step.tps,
                held=not broken,
                broken=", ".join(limit.text for limit in broken) or "nothing",
            )
            search.record(held=not broken)
            if step.phase is Phase.CONFIRM and search.found.held_tps == step.tps:
                self._confirmation = measures
        self._found = search.found

    async def _try(self, step: Step) -> Measures | None:
        """Offer a rate; return what was measured, or None when the search is to end."""
        for _ in range(TRIES_MAX):
            measures = await self._offer_step(step)
            if self.stopped:
                return None
            limits = self._client_limits([measures])
            if not limits or step.phase is Phase.SETTLE:
                return measures
            log.warning("step again: the client was the limit", tps=step.tps, reason=limits[0])
        self._invalid = [f"{step.phase.value} at {step.tps:,.1f}/s: {each}" for each in limits]
        return None

    async def _offer_step(self, step: Step) -> Measures:
        """Offer a rate for as long as the step says; its beginning is a stage that is unjudged."""
        phase = step.phase.value
        unjudged = Searched(phase=phase, held=None)
        if step.phase is Phase.SETTLE:
            legs, named = [Leg(step.tps, step.tps, step.seconds)], [(phase, unjudged)]
        else:
            parts = (step.seconds * WARM_UP_SHARE, step.seconds * (1 - WARM_UP_SHARE))
            legs = [Leg(step.tps, step.tps, seconds) for seconds in parts]
            named = [("warm-up", unjudged), (phase, unjudged)]
        await self._offer(legs, named)
        return self._observer.meter.stages[-1]

    async def _offer(
        self, legs: Sequence[Leg], named: Sequence[tuple[str, Searched | None]]
    ) -> None:
        """Make the calls of some stages and have all of them recorded."""
        first = len(self.stages)
        for leg, (name, searched) in zip(legs, named, strict=True):
            asked = StageAsked(
                name=name,
                searched=searched,
                from_tps=leg.from_tps,
                to_tps=leg.to_tps,
                planned_seconds=leg.seconds,
            )
            self.stages.append(asked)
        self._observer.status.labels = [stage.name for stage in self.stages]
        due_s = await self._generator.run(Schedule(legs), stage=first)
        if self._generator.has_spent_all:
            self._switch.throw("the cap of [stop] on calls or cost is reached")
        await self._observer.observe()
        for number, leg in enumerate(legs, first):
            self._observer.meter.stage(number).seconds = max(0.0, min(leg.seconds, due_s))
            due_s -= leg.seconds
