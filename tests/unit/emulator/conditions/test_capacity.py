"""Capacity and its statistics in simulated time: no clock, no sleep."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.emulator.api.stats import SECONDS_MAX, Outcome, Stats
from worker.emulator.api.updates import Updates
from worker.emulator.conditions.capacity import Capacity
from worker.emulator.conditions.settings import CapacitySettings
from worker.emulator.resources import Resources
from worker.emulator.settings import EmulatorSettings

ARN = "arn:aws:personalize:us-east-1:000000000000:campaign/home"
OTHERS = [f"{ARN}-{number}" for number in range(8)]


def capacity(minimum: float = 10, **settings: Any) -> Capacity:
    return Capacity(CapacitySettings(**settings), {ARN: minimum}, now_s=0.0)


def served(limited: Capacity, *, per_s: float, begin_s: float, end_s: float) -> int:
    """Call evenly; return how many calls are served."""
    count = round((end_s - begin_s) * per_s)
    times = (begin_s + n / per_s for n in range(count))
    return sum(limited.refused(ARN, at_s) is None for at_s in times)


def test_without_settings_nothing_is_throttled() -> None:
    unlimited = Capacity(None, {ARN: 1}, now_s=0.0)
    assert all(unlimited.refused(ARN, 0.0) is None for _ in range(10_000))
    assert unlimited.state(0.0) == {}


def test_a_campaign_serves_its_minimum_and_the_buffer() -> None:
    limited = capacity(minimum=10, buffer_share=0.5, burst_s=1)
    assert served(limited, per_s=15, begin_s=0, end_s=60) == 15 * 60
    limited = capacity(minimum=10, buffer_share=0.5, burst_s=1)
    assert served(limited, per_s=100, begin_s=0, end_s=60) == pytest.approx(15 * 61, abs=1)


def test_after_sustained_load_it_scales_out_and_after_quiet_back_in() -> None:
    limited = capacity(minimum=10, buffer_share=0.2, scale_out_s=300, scale_in_s=600)
    served(limited, per_s=40, begin_s=0, end_s=299)
    assert limited.state(299)[ARN]["provisioned_tps"] == 10
    assert served(limited, per_s=40, begin_s=301, end_s=401) == 40 * 100
    assert limited.state(401)[ARN]["provisioned_tps"] == pytest.approx(40, rel=0.05)
    assert limited.state(401 + 560)[ARN]["provisioned_tps"] > 39
    assert limited.state(401 + 680)[ARN]["provisioned_tps"] < 20  # the slice that had a third
    assert limited.state(401 + 1300)[ARN]["provisioned_tps"] == 10


def test_a_gap_in_the_load_begins_the_wait_anew() -> None:
    limited = capacity(minimum=10, scale_out_s=300)
    served(limited, per_s=40, begin_s=0, end_s=200)
    served(limited, per_s=40, begin_s=260, end_s=500)
    assert limited.state(500)[ARN]["provisioned_tps"] == 10


def test_half_the_load_scales_in_to_half() -> None:
    limited = capacity(minimum=1, scale_out_s=300, scale_in_s=300)
    served(limited, per_s=40, begin_s=0, end_s=600)
    served(limited, per_s=20, begin_s=600, end_s=1260)
    assert limited.state(1260)[ARN]["provisioned_tps"] == pytest.approx(20, rel=0.05)


def test_after_a_long_pause_only_the_minimum_is_left() -> None:
    limited = capacity(minimum=10, scale_out_s=300, scale_in_s=600)
    served(limited, per_s=40, begin_s=0, end_s=401)  # the last slice has a third of the load
    assert limited.state(401)[ARN]["provisioned_tps"] == pytest.approx(40, rel=0.05)
    assert limited.state(401 + 3600)[ARN]["provisioned_tps"] == 10


def test_the_time_factor_makes_a_second_of_a_minute() -> None:
    limited = capacity(minimum=10, scale_out_s=300, time_factor=60)
    served(limited, per_s=200, begin_s=0, end_s=5.1)
    assert limited.state(5.1)[ARN]["provisioned_tps"] == pytest.approx(200, rel=0.05)


def test_a_campaign_s_quota_holds_however_much_is_provisioned() -> None:
    limited = capacity(minimum=900, burst_s=0.1)
    assert served(limited, per_s=1000, begin_s=0, end_s=20) == pytest.approx(500 * 20.1, abs=2)
    assert "quota of" in [limited.refused(ARN, 20.0) or "" for _ in range(100)][-1]


def test_the_account_s_quota_is_shared() -> None:
    limited = Capacity(CapacitySettings(burst_s=0.1), dict.fromkeys(OTHERS, 500), now_s=0.0)
    calls = [(n / 500, arn) for n in range(5000) for arn in OTHERS]
    number = sum(limited.refused(arn, at_s) is None for at_s, arn in calls)
    assert number == pytest.approx(2500 * 10.1, abs=8)


def test_a_resource_that_does_not_exist_has_no_capacity_to_lose() -> None:
    limited = capacity(minimum=1)
    assert all(limited.refused("none", 0.0) is None for _ in range(1000))


@given(
    gaps=st.lists(st.floats(min_value=-1, max_value=30), min_size=1, max_size=200),
    minimum=st.integers(min_value=1, max_value=700),
    share=st.floats(min_value=0, max_value=2),
    factor=st.sampled_from([1.0, 60.0, 3600.0]),
)
def test_whatever_the_times_rates_stay_within_their_bounds(
    gaps: list[float], minimum: int, share: float, factor: float
) -> None:
    limited = capacity(minimum=minimum, buffer_share=share, time_factor=factor)
    now_s = 0.0
    for gap in gaps:
        now_s += gap
        limited.refused(ARN, now_s)
        state = limited.state(now_s)[ARN]
        assert minimum <= state["provisioned_tps"] <= max(minimum, 500)
        assert state["served_tps_max"] <= 500


@given(
    bursts=st.lists(
        st.tuples(st.floats(min_value=0, max_value=3), st.integers(min_value=1, max_value=200)),
        min_size=2,
        max_size=30,
    ),
    burst_s=st.floats(min_value=0.01, max_value=2),
)
def test_no_span_of_time_has_more_served_than_the_quota_and_one_burst(
    bursts: list[tuple[float, int]], burst_s: float
) -> None:
    limited = capacity(minimum=500, campaign_tps_max=50, burst_s=burst_s)
    now_s, times = 0.0, []
    for gap, calls in bursts:
        now_s += gap
        times += [now_s for _ in range(calls) if limited.refused(ARN, now_s) is None]
    for first in range(len(times)):
        span_s = times[-1] - times[first]
        assert len(times) - first <= 50 * span_s + max(1, 50 * burst_s) + 1e-6


@given(
    calls=st.lists(st.floats(min_value=0, max_value=5), max_size=100),
    lower=st.integers(min_value=1, max_value=50),
    more=st.integers(min_value=0, max_value=50),
)
def test_a_higher_minimum_serves_no_fewer(calls: list[float], lower: int, more: int) -> None:
    # buffers that never scale, so that the two differ in their minimum alone
    low, high = (capacity(minimum=tps, scale_out_s=86_400) for tps in (lower, lower + more))
    times = sorted(calls)
    assert sum(low.refused(ARN, at) is None for at in times) <= sum(
        high.refused(ARN, at) is None for at in times
    )


def test_an_update_of_the_minimum_counts_once_it_is_active() -> None:
    limited = capacity(minimum=1, update_s=300, buffer_share=0.0)
    home = {"name": "home", "recipe": "aws-hrnn"}
    resources = Resources(EmulatorSettings.model_validate({"campaigns": [home]}))
    campaign = resources.find("campaignArn", ARN)
    updates = Updates(limited, resources)
    updates.begin(replace(campaign, requests_per_s_min=100), now_s=0.0)
    update = updates.latest(ARN)
    assert update is not None
    statuses = [update.status(at_s) for at_s in (0, 29, 31, 299, 300)]
    assert statuses == ["CREATE PENDING"] * 2 + ["CREATE IN_PROGRESS"] * 2 + ["ACTIVE"]
    assert [update.changed_s(at_s) for at_s in (0, 31, 300)] == [0, 30, 300]
    for at_s, minimum in ((299, 1), (301, 100)):
        updates.settle(at_s)
        assert resources.campaigns[0].requests_per_s_min == minimum
        assert limited.state(at_s)[ARN]["provisioned_tps"] == minimum


def test_a_lowered_minimum_counts_after_scaling_in() -> None:
    limited = capacity(minimum=100, scale_in_s=600)
    limited.set_minimum(ARN, 1, now_s=0.0)
    assert limited.state(500)[ARN]["provisioned_tps"] == 100
    assert limited.state(700)[ARN]["provisioned_tps"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"buffer_share": -0.1},
        {"time_factor": 0},
        {"scale_out_s": 0},
        {"throttle_status": 503},
        {"campaign_tps": 1},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CapacitySettings.model_validate(wrong)


def test_statistics_are_by_second_and_resource_and_totals_stay() -> None:
    stats = Stats()
    for second in range(SECONDS_MAX + 10):
        stats.count(ARN, Outcome.SERVED, 1000.5 + second)
        stats.count(ARN, Outcome.THROTTLED, 1000.9 + second)
    stats.count("none", Outcome.REFUSED, 0.0)  # the clock was set back
    report = stats.report()
    seconds = [each["second"] for each in report["seconds"]]
    assert len(seconds) == SECONDS_MAX
    assert all(later == earlier + 1 for earlier, later in pairwise(seconds))
    assert report["totals"][ARN] == {
        "served": SECONDS_MAX + 10,
        "throttled": SECONDS_MAX + 10,
        "injected": 0,
        "refused": 0,
    }
    assert report["seconds"][-1]["resources"]["none"]["refused"] == 1
    assert stats.report(1)["seconds"] == report["seconds"][-1:]
    assert stats.report(0)["seconds"] == []


def test_what_is_set_anew_holds_at_once_and_nothing_saved_outlasts_it() -> None:
    limited = capacity(minimum=1000, campaign_tps_max=400, burst_s=1)
    assert served(limited, per_s=1000, begin_s=0, end_s=10) == pytest.approx(11 * 400, abs=2)
    assert served(limited, per_s=1, begin_s=10, end_s=20) == 10
    limited.change(CapacitySettings(campaign_tps_max=100, burst_s=0.1), now_s=20.0)
    assert served(limited, per_s=1000, begin_s=20, end_s=30) == pytest.approx(10.1 * 100, abs=2)


def test_a_capacity_may_be_set_where_there_was_none() -> None:
    limited = Capacity(None, {ARN: 10}, now_s=0.0)
    limited.change(CapacitySettings(buffer_share=0.0, burst_s=0.1), now_s=5.0)
    assert served(limited, per_s=100, begin_s=5, end_s=15) == pytest.approx(100, abs=2)
