"""The adaptive rate, against a simulated service with a capacity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from unit.rate.throttling import FAILED, SERVED, THROTTLED, History, Service, simulate

from worker.rate._adaptive import FLOOR_TPS, AdaptiveRate
from worker.rate.ramp import Ramp

ENDLESS = 1e9
LATENCIES: list[dict[str, float]] = [
    {},
    {"latency_s": 0.002},
    {"latency_s": 0.1, "spread": 0.8},
    {"throttled_latency_s": 0.03},
    {"latency_s": 0.1, "throttled_latency_s": 0.1},
    {"burst_s": 0.03},
    {"burst_s": 1.0},
]


def adaptive(tps_max: float = 500.0, known_tps: float | None = None) -> AdaptiveRate:
    return AdaptiveRate(tps_max=tps_max, start_tps=tps_max / 10, known_tps=known_tps, now_s=0.0)


def run(
    capacity: Callable[[float], float], seconds: float, *, tps_max: float = 500.0, **options: Any
) -> History:
    service = Service(capacity=capacity, **options)
    return simulate(adaptive(tps_max), service, seconds=seconds, tps_max=tps_max)


def constant(tps: float) -> Callable[[float], float]:
    return lambda _: tps


def up_and_down(second: float) -> float:
    return 400 if 30 <= second < 60 else 100


@pytest.mark.parametrize("tps_max", [500.0, 2500.0])
@pytest.mark.parametrize("kind", LATENCIES, ids=str)
def test_steps_of_the_capacity_are_followed(kind: dict[str, float], tps_max: float) -> None:
    """100/s, 400/s, 100/s: 95 % of it all is delivered, 2 % throttled after two seconds of each."""
    for seed in range(2):
        history = run(up_and_down, 90, tps_max=tps_max, seed=seed, **kind)
        for begin_s in (0, 30, 60):
            capacity = up_and_down(begin_s)
            assert history.served_per_s(begin_s, begin_s + 30) >= 0.95 * capacity
            assert history.throttled_share(begin_s + 3, begin_s + 30) < 0.02


@pytest.mark.parametrize("tps_max", [500.0, 2500.0])
@pytest.mark.parametrize("seed", range(1, 5))
def test_throttles_that_come_later_than_answers_count(seed: int, tps_max: float) -> None:
    """By then the rate has grown on these; so long it is too high."""
    late = {"latency_s": 0.03, "throttled_latency_s": 0.1}
    history = run(up_and_down, 90, tps_max=tps_max, seed=seed, **late)
    for begin_s in (0, 30, 60):
        assert history.served_per_s(begin_s, begin_s + 30) >= 0.95 * up_and_down(begin_s)
        assert history.throttled_share(begin_s + 3, begin_s + 30) < 0.04


@pytest.mark.parametrize("seed", range(5))
def test_four_times_the_capacity_is_found_within_two_seconds(seed: int) -> None:
    history = run(lambda second: 400 if second >= 20 + seed / 5 else 100, 25, seed=seed)
    assert history.served_per_s(22 + seed / 5, 25) >= 0.95 * 400


@pytest.mark.parametrize("seed", range(5))
def test_a_drop_is_followed_within_a_second(seed: int) -> None:
    history = run(lambda second: 50 if second >= 20 + seed / 5 else 400, 30, seed=seed)
    assert history.rate_at(21 + seed / 5) < 60
    assert history.count(THROTTLED, 21 + seed / 5, 30) < 0.05 * history.count(SERVED, 21, 30)


@pytest.mark.parametrize("tps", [20, 50, 1000])
def test_any_capacity_is_used_and_hardly_exceeded(tps: float) -> None:
    history = run(constant(tps), 60, tps_max=10 * tps)
    assert history.served_per_s(0, 60) >= 0.97 * tps
    assert history.throttled_share(10, 60) < 0.02


def test_without_throttles_the_ceiling_is_reached_in_doubling_steps_and_kept() -> None:
    history = run(constant(ENDLESS), 60, tps_max=2500.0, latency_s=0.001)
    assert [rate for _, rate in history.rates] == [250.0, 500.0, 1000.0, 2000.0, 2500.0]
    assert history.rates[-1][0] < 0.3
    assert history.served_per_s(0, 60) >= 0.996 * 2500


@pytest.mark.parametrize("seed", range(6))
def test_throttles_that_do_not_depend_on_the_rate_cost_little_of_it(seed: int) -> None:
    history = run(constant(ENDLESS), 60, tps_max=400.0, ambient_share=0.02, seed=seed)
    assert history.served_per_s(0, 60) >= 0.9 * 400 * 0.98


@pytest.mark.parametrize("seed", range(3))
def test_many_of_them_do_not_bring_it_to_a_halt(seed: int) -> None:
    history = run(constant(ENDLESS), 60, tps_max=400.0, ambient_share=0.1, seed=seed)
    assert history.served_per_s(0, 60) >= 0.7 * 400 * 0.9


@pytest.mark.parametrize("seed", range(3))
def test_they_do_not_hide_the_capacity(seed: int) -> None:
    history = run(constant(200), 60, ambient_share=0.02, seed=seed)
    assert history.served_per_s(0, 60) >= 0.9 * 200
    assert history.throttled_share(5, 60) < 0.06


@pytest.mark.parametrize("what", [THROTTLED, FAILED])
def test_a_blackout_is_met_with_a_few_attempts_until_it_ends(what: str) -> None:
    def capacity(second: float) -> float:
        return 0 if what == THROTTLED and 20 <= second < 30 else 200

    history = run(
        capacity, 40, failed_share=lambda second: float(what == FAILED and 20 <= second < 30)
    )
    assert history.count(what, 22, 30) <= 8 * FLOOR_TPS + 1
    assert history.served_per_s(33, 40) >= 0.95 * 200


def test_a_few_failures_neither_lower_the_rate_nor_keep_it_low() -> None:
    history = run(constant(ENDLESS), 20, tps_max=400.0, failed_share=lambda _: 0.01)
    rates = [rate for _, rate in history.rates]
    assert rates == sorted(rates)
    assert rates[-1] == 400


def test_while_many_fail_the_rate_hardly_grows() -> None:
    history = run(constant(ENDLESS), 5, tps_max=5000.0, failed_share=lambda _: 0.5)
    assert history.rate_at(5) <= 1000  # by chance, an epoch may look well


def test_what_is_not_the_constraint_does_not_grow() -> None:
    """Neither with too few rows nor with too few calls at the same time."""
    for options in ({"arrivals_per_s": 60.0}, {"in_flight_max": 3}):
        rate = adaptive(5000.0)
        service = Service(capacity=constant(ENDLESS), latency_s=0.05)
        history = simulate(rate, service, seconds=20, tps_max=5000.0, **options)
        assert history.rate_at(20) <= 1000


def test_a_known_capacity_is_where_it_begins() -> None:
    rate = adaptive(known_tps=100.0)
    history = simulate(rate, Service(capacity=constant(100)), seconds=20, tps_max=500.0)
    assert history.rates[0] == (0.0, 98.0)
    assert history.throttled_share(0, 20) < 0.02
    assert rate.known_tps == pytest.approx(100, rel=0.03)


def test_a_ramp_is_not_taken_for_a_lack_of_capacity() -> None:
    rate = AdaptiveRate(tps_max=500.0, start_tps=500.0, now_s=0.0)
    ramp = Ramp(tps=500.0, start_tps=10.0, ramp_s=20.0)
    service = Service(capacity=constant(200))
    history = simulate(rate, service, seconds=40, tps_max=500.0, ramp=ramp)
    assert history.count(THROTTLED, 0, 7) == 0
    assert history.served_per_s(20, 40) >= 0.95 * 200
    assert history.throttled_share(20, 40) < 0.02


def test_throttles_of_one_round_trip_are_one_decision() -> None:
    rate = adaptive(known_tps=100.0)
    for number in range(60):
        rate.record_sent(number / 100)
    changes = [rate.record_throttle(0.2 + number / 1000, 0.7) for number in range(20)]
    assert changes.count(True) == 1
    assert rate.tps > 90


def test_what_left_before_an_outage_was_over_says_nothing() -> None:
    rate = adaptive(known_tps=100.0)
    for number in range(30):
        rate.record_sent(number / 100)
    rate.begin_anew(10.0)
    assert not any(rate.record_throttle(number / 100, 10.1) for number in range(30))
    assert (rate.tps, rate.known_tps) == (98.0, 100.0)
    for number in range(20):
        rate.record_sent(10.0 + number / 98)
        rate.record_answer(10.0 + number / 98, 10.0 + number / 98)
    assert rate.tps > 98.0
