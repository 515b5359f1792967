"""Which changes of the rate are worth a line in the log: few, and all that last."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import pytest
from support.clock import FakeClock
from support.lanes import constant
from unit.rate.throttling import Service, simulate

from worker.personalize.error_codes import Verdict
from worker.rate._adaptive import AdaptiveRate
from worker.rate.governor import Governor, RateLog
from worker.rate.pacer import Pacer
from worker.telemetry.tally import Tally


class Governed:
    """An adaptive rate whose attempts are recorded by its governor."""

    def __init__(self, *, tps_max: float) -> None:
        self._rate = AdaptiveRate(tps_max=tps_max, start_tps=tps_max / 4, now_s=0.0)
        self._clock = FakeClock()
        self._clock.time_s = 0.0
        self.governor = Governor(
            Pacer(constant(tps_max), FakeClock()),
            Tally(rows_expected=1),
            tps_max=tps_max,
            adaptive=self._rate,
            clock=self._clock,
        )

    @property
    def tps(self) -> float:
        return self._rate.tps

    def record_sent(self, now_s: float) -> None:
        self.governor.record_sent(now_s)

    def record_answer(self, sent_s: float, now_s: float) -> bool:
        return self._told(None, sent_s, now_s)

    def record_throttle(self, sent_s: float, now_s: float) -> bool:
        return self._told(Verdict.THROTTLED, sent_s, now_s)

    def record_failure(self, sent_s: float, now_s: float) -> bool:
        return self._told(Verdict.TRANSIENT, sent_s, now_s)

    def _told(self, verdict: Verdict | None, sent_s: float, now_s: float) -> bool:
        self._clock.time_s, before_tps = now_s, self.tps
        if verdict is None:
            self.governor.record_answer(sent_s, now_s)
        else:
            self.governor.record_failure(verdict, sent_s, now_s)
        return self.tps != before_tps


def lines_of(
    capacity: Callable[[float], float],
    minutes: float,
    caplog: pytest.LogCaptureFixture,
    **options: float,
) -> list[tuple[str, float]]:
    """Return the lines of so many minutes, and the rates that they say."""
    rate = Governed(tps_max=1000.0)
    service = Service(capacity=capacity, **options)  # type: ignore[arg-type] # it may be any key
    with caplog.at_level(logging.INFO, logger="worker"):
        simulate(rate, service, seconds=60 * minutes, tps_max=1000.0)
    tps = [each.__dict__["fields"]["tps"].rpartition(" ")[2] for each in caplog.records]
    return [(each.message, float(said)) for each, said in zip(caplog.records, tps, strict=True)]


@pytest.mark.parametrize(
    ("options", "lines_max"),
    [
        ({}, 2),
        ({"latency_s": 0.1, "throttled_latency_s": 0.1}, 2),
        ({"burst_s": 1.0}, 2),
        ({"ambient_share": 0.02}, 6),  # for which the rate is too low for a minute, now and then
    ],
    ids=str,
)
def test_an_hour_at_a_steady_capacity_is_a_line_or_two(
    options: dict[str, float], lines_max: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The rate goes up and down there, by a quarter, as often as every ten seconds."""
    said = lines_of(lambda _: 50, 60, caplog, **options)
    assert 1 <= len(said) <= lines_max
    assert said[-1][1] == pytest.approx(50, rel=0.2)


def test_a_capacity_that_changes_is_said_a_minute_later_either_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = lines_of(lambda second: 200 if 600 <= second < 1200 else 50, 30, caplog)
    assert [event for event, _ in said] == ["rate lowered", "rate raised", "rate lowered"]
    assert [tps for _, tps in said] == pytest.approx([50, 200, 50], rel=0.2)


def test_however_often_it_changes_there_is_no_more_than_a_line_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = lines_of(lambda second: 60 + 50 * math.sin(second / 30), 30, caplog)
    assert 2 <= len(said) <= 31


def test_what_is_unlimited_again_is_said_though_the_rate_does_not_change_any_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    said = lines_of(lambda second: 50 if second < 60 else 1e9, 2.5, caplog)
    assert [event for event, _ in said] == ["rate lowered", "rate raised"]
    assert said[-1][1] > 900


def test_the_counts_of_a_line_are_those_of_its_minute(caplog: pytest.LogCaptureFixture) -> None:
    lines_of(lambda second: 200 if second < 600 else 50, 15, caplog)
    throttled = [each.__dict__["fields"]["throttled"] for each in caplog.records]
    assert len(throttled) == 2
    assert throttled[1] < 0.1 * 60 * 50


def test_a_minute_with_an_outage_in_it_is_no_news() -> None:
    news = RateLog(100.0)
    assert news.record(50.0, 10.0)
    assert not news.record(1.0, 20.0)
    assert news.due_s == 80.0
    news.begin_anew(50.0, 140.0)
    assert not news.record(50.0, 1000.0)
    assert news.logged_tps == 50.0


def test_what_an_outage_leaves_is_news_after_a_minute() -> None:
    news = RateLog(100.0)
    assert news.record(1.0, 10.0)
    assert not news.record(100.0, 20.0)
    news.begin_anew(100.0, 50.0)
    assert not news.record(100.0, 100.0)
    assert news.record(100.0, 110.0)
    assert news.logged_tps == pytest.approx(100.0)
