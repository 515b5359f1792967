"""What is said while a run goes on."""

from __future__ import annotations

import io
import json
import logging

import anyio
import pytest
from support.lanes import ANSWER, Run

from worker.model import Answer, Failure
from worker.runtime import log
from worker.telemetry import progress
from worker.telemetry.progress import Eta, LineView, RateMeter, state_of
from worker.telemetry.tally import Outage, Tally


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    meter = RateMeter(now_s=0.0)
    for second in range(1, 61):
        rate = meter.rate(float(second), calls=100 * min(second, 30))
        if second == 30:
            assert rate == pytest.approx(100)
    assert rate == 0.0


def test_the_eta_follows_the_rows_that_are_left() -> None:
    tally, eta = Tally(rows_expected=100), Eta(now_s=0.0)
    assert eta.left_s(tally, 5.0) is None
    tally.results = 40
    assert eta.left_s(tally, 10.0) == pytest.approx(15.0)


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalFailure", "ConnectFailed"])
def test_an_outage_is_told_in_place_of_an_eta_which_is_right_again_after_it(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """40 s of an outage, in 100 s of rows. Times are those of the first failure on."""
    status = None if code == "ConnectFailed" else 400

    def service(_: int, now_s: float) -> Answer | Failure:
        return Failure(code, "no", http_status=status) if 15.0 <= now_s < 55.0 else ANSWER

    run = Run(service, rows=10_000, is_adaptive=True, is_watched=True)
    with caplog.at_level(logging.INFO, logger="worker"):
        run.go()
    lines = [each.__dict__["fields"] for each in caplog.records if each.message == "progress"]
    states = [line.get("service") for line in lines]
    assert states[:6] == [None, "down", "down", "down", "down", None]
    assert set(states[6:]) == {None}
    for number, line in enumerate(lines[1:5], start=2):
        assert line["down_s"] == pytest.approx(10.0 * number - 15.0, abs=0.2)
        assert line["stops_in_s"] == pytest.approx(120.0 - line["down_s"])
        assert line["last"] == code
        assert not {"eta", "target_per_s"} & line.keys()
    for number, line in enumerate(lines[6:], start=7):
        rows_left = 10_000 - int(line["rows"].partition("/")[0])
        assert _seconds(line["eta"]) == pytest.approx(rows_left / 100, rel=0.7), number
    assert lines[5]["eta"] == "?" or _seconds(lines[5]["eta"]) < 120


def _seconds(shown: str) -> float:
    minutes, _, seconds = shown.rpartition("m")
    return 60 * float(minutes or 0) + float(seconds.rstrip("s"))


def test_soon_after_an_outage_there_is_no_eta_yet_and_then_the_outage_is_not_in_it() -> None:
    tally, eta = Tally(rows_expected=1_000), Eta(now_s=0.0)
    for now_s in range(1, 11):
        tally.results += 10
        eta.left_s(tally, now_s)
    tally.outage = Outage(since_s=10.0, stops_s=130.0, last_code="InternalFailure")
    assert [eta.left_s(tally, now_s) for now_s in range(11, 21)] == [None] * 10
    tally.outage, tally.resumed = None, (20.5, tally.rows_done)
    tally.results += 20
    assert eta.left_s(tally, 22.5) is None
    tally.results += 20
    assert eta.left_s(tally, 24.5) == pytest.approx(86.0)


def test_a_terminal_shows_an_outage_and_nothing_else_beside_the_bar() -> None:
    tally = Tally(rows_expected=100, throttles=3, in_flight=2)
    tally.outage = Outage(since_s=10.0, stops_s=130.0, last_code="Odd[bold]Code")
    down = state_of(tally, calls_per_s=0.2, left_s=None, now_s=45.0)
    assert down == r"[red]service down for 35 s (Odd\[bold]Code), stops in 85 s[/]"
    assert "stops in 0 s" in state_of(tally, calls_per_s=0.2, left_s=None, now_s=131.0)
    tally.outage = None
    up = state_of(tally, calls_per_s=80.0, left_s=85.0, now_s=46.0)
    assert up == "[cyan]80/s[/] 2 in flight [yellow]3 throttled[/] ETA 1m25s"


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
