"""The search for the highest rate, against simulated services."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from worker.loadtest.search import CONFIRMATION_STEPS, Found, Phase, Search, Step

Holds = Callable[[Step], bool]
STEPS_MAX = 100


def searched(search: Search, holds: Holds) -> tuple[Found, list[Step]]:
    """Return what is found where `holds` says how each step goes, and the steps."""
    steps: list[Step] = []
    while (step := search.step) is not None:
        steps.append(step)
        assert len(steps) <= STEPS_MAX
        search.record(held=holds(step))
    return search.found, steps


def search(tps_max: float = 1000, settle_s: float = 0.0) -> Search:
    return Search(tps_start=10, tps_max=tps_max, step_s=10, settle_s=settle_s)


def test_it_doubles_then_halves_then_confirms_then_tries_the_failed_rate_again() -> None:
    found, steps = searched(search(), lambda step: step.tps <= 100)
    phases = [step.phase for step in steps]
    assert [step.tps for step in steps[:6]] == [10, 20, 40, 80, 160, 120]
    assert phases == [Phase.GROW] * 5 + [Phase.BISECT] * 7 + [Phase.CONFIRM, Phase.RETEST]
    assert [step.seconds for step in steps[-3:]] == [10, 30, 30]
    assert found.held_tps == pytest.approx(100, rel=0.01)
    assert found.held_tps is not None
    assert found.failed_tps is not None
    assert found.held_tps <= 100 < found.failed_tps <= found.held_tps / 0.99
    assert not found.has_scaled


def test_no_rate_above_the_highest_is_tried() -> None:
    found, steps = searched(search(tps_max=70), lambda _: True)
    assert [step.tps for step in steps] == [10, 20, 40, 70, 70]
    assert found == Found(held_tps=70, at_once_tps=70, failed_tps=None)


def test_a_first_rate_that_is_too_high_is_halved() -> None:
    found, steps = searched(search(), lambda step: step.tps <= 3)
    assert [step.tps for step in steps[:3]] == [10, 5, 2.5]
    assert found.held_tps == pytest.approx(3, rel=0.01)


def test_a_service_that_holds_nothing_ends_the_search() -> None:
    found, steps = searched(search(), lambda _: False)
    assert found.held_tps is None
    assert [step.tps for step in steps] == [10, 5, 2.5, 1.25, 0.625]


def test_a_confirmation_that_fails_goes_down_until_one_is_held() -> None:
    """Longer load shows what short steps do not."""
    found, steps = searched(search(), lambda step: step.tps <= (100 if step.seconds <= 10 else 96))
    confirmed = [step.tps for step in steps if step.phase is Phase.CONFIRM]
    first = confirmed[0]
    down = [first, first * 0.99, first * 0.99 * 0.98, first * 0.99 * 0.98 * 0.96]
    assert confirmed == pytest.approx([*down, (down[2] + down[3]) / 2])
    assert found.failed_tps == confirmed[2]
    assert found.held_tps == confirmed[4]
    assert 0.98 * 96 <= found.held_tps <= 96


def test_a_service_that_no_confirmation_holds_has_no_held_rate() -> None:
    found, steps = searched(search(), lambda step: step.seconds <= 10)
    assert found.held_tps is None
    assert sum(step.phase is Phase.CONFIRM for step in steps) == 7


def test_one_unlucky_step_does_not_decide() -> None:
    """The rate of a step that failed by chance is tried again at the end."""
    unlucky = iter([True, True, False])
    found, _ = searched(search(), lambda step: next(unlucky, True) and step.tps <= 500)
    assert found.held_tps == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize("settle_s", [0.0, 600.0])
def test_capacity_that_comes_with_minutes_of_load_is_told_apart(settle_s: float) -> None:
    """It scales from 100 to 400 after ten minutes above 100."""
    above_s = 0.0

    def holds(step: Step) -> bool:
        nonlocal above_s
        capacity = 400 if above_s >= 600 else 100
        above_s += step.seconds if step.tps > 100 else 0
        return step.tps <= capacity

    found, steps = searched(search(settle_s=settle_s), holds)
    assert found.at_once_tps == pytest.approx(100, rel=0.01)
    assert found.has_scaled is (settle_s > 0)
    if settle_s:
        (settled,) = [step for step in steps if step.phase is Phase.SETTLE]
        assert settled.tps == pytest.approx(100, rel=0.01)
        assert settled.seconds == 600
        assert found.held_tps == pytest.approx(400, rel=0.02)
    else:
        assert found.held_tps == found.at_once_tps


def test_a_service_that_scales_all_the_time_ends_the_search() -> None:
    tried = 0

    def holds(step: Step) -> bool:
        nonlocal tried
        tried += 1
        return step.tps <= 50 * 1.05**tried

    found, _ = searched(search(tps_max=100_000), holds)
    assert found.has_scaled


def test_a_search_that_is_over_takes_no_more_outcomes() -> None:
    over = search()
    searched(over, lambda _: True)
    with pytest.raises(RuntimeError):
        over.record(held=True)


@dataclass
class Bucket:
    """A service with a token bucket, a knee in its latency, and errors by chance."""

    tps: float
    rng: random.Random
    burst_s: float = 0.25
    p99_ms_max: float = 200.0
    tokens: float = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = self.tps * self.burst_s

    def holds(self, step: Step) -> bool:
        """Offer a rate: its first tenth is not judged, as in a load test."""
        self._offer(step.tps, step.seconds * 0.1)
        throttled = self._offer(step.tps, step.seconds * 0.9)
        noise = math.exp(self.rng.gauss(0, 0.05))
        p99_ms = 100 * noise * (1 + max(0.0, step.tps / self.tps - 1.02) * 50)
        return throttled <= 0.001 * step.tps * step.seconds * 0.9 and p99_ms <= self.p99_ms_max

    def _offer(self, tps: float, seconds: float) -> float:
        """Return how many calls are throttled."""
        room = self.tokens + self.tps * seconds
        throttled = max(0.0, tps * seconds - room)
        self.tokens = min(self.tps * self.burst_s, max(0.0, room - tps * seconds))
        # Between two steps the last calls end, and tokens come back.
        self.tokens = min(self.tps * self.burst_s, self.tokens + 0.1 * self.tps)
        return throttled


@pytest.mark.parametrize("seed", range(20))
def test_a_known_capacity_is_found_within_three_percent(seed: int) -> None:
    rng = random.Random(seed)
    capacity = rng.uniform(20, 2000)
    service = Bucket(capacity, rng)
    found, steps = searched(
        Search(tps_start=rng.uniform(1, 50), tps_max=2500, step_s=30), service.holds
    )
    assert found.held_tps == pytest.approx(capacity, rel=0.03)
    assert len(steps) <= 40
    assert all(step.seconds in {30, CONFIRMATION_STEPS * 30} for step in steps)
