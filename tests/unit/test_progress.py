"""What is said while a run goes on."""

import io
import json
import logging

import anyio
import pytest

from worker import log, progress
from worker.progress import LineView, RateMeter, eta_s
from worker.tally import Tally


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    meter = RateMeter(now_s=0.0)
    for second in range(1, 61):
        rate = meter.rate(float(second), calls=100 * min(second, 30))
        if second == 30:
            assert rate == pytest.approx(100)
    assert rate == 0.0


def test_the_eta_follows_the_rows_that_are_left() -> None:
    tally = Tally(rows_expected=100)
    tally.results = 40
    assert eta_s(tally, rows_per_s=6.0) == pytest.approx(10.0)
    assert eta_s(tally, rows_per_s=0.0) is None


def test_text_lines_are_key_value_pairs() -> None:
    stream = io.StringIO()
    log.set_up(as_json=False, level=logging.INFO, stream=stream)
    log.info("progress", rows="1/2", calls_per_s=3.14159, note="two words")
    log.debug("hidden")
    line = stream.getvalue()
    assert line.endswith(' info progress rows=1/2 calls_per_s=3.1 note="two words"\n')
    assert line.count("\n") == 1


def test_json_lines_hold_the_same_fields() -> None:
    stream = io.StringIO()
    log.set_up(as_json=True, level=logging.INFO, stream=stream)
    log.warning("stopping", signal="SIGTERM", share=0.25)
    line = json.loads(stream.getvalue())
    assert line.pop("time")
    assert line == {"level": "warning", "event": "stopping", "signal": "SIGTERM", "share": 0.25}


@pytest.mark.parametrize(("target_tps", "shown"), [(None, None), (105.0, 105.0)])
async def test_a_line_shows_the_rate_that_is_gone_for_while_it_is_below_the_ceiling(
    target_tps: float | None,
    shown: float | None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(progress, "LINE_INTERVAL_S", 0.0)
    tally = Tally(rows_expected=100, target_tps=target_tps)
    with caplog.at_level(logging.INFO, logger="worker"):
        async with anyio.create_task_group() as group:
            group.start_soon(LineView(per_1000_usd=None).run, tally)
            while not caplog.records:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    assert caplog.records[0].__dict__["fields"].get("target_per_s") == shown
