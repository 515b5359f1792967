"""How a run is doing: a live view on a terminal, a line now and then otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import anyio

from worker.runtime import log
from worker.runtime.text import duration
from worker.telemetry.cost import cost_usd
from worker.telemetry.listener import RunListener, Started
from worker.telemetry.tally import Outage, Tally

LINE_INTERVAL_S = 10.0
LIVE_INTERVAL_S = 0.25
_RATE_WINDOW_S = 10.0
_SETTLED_S = 3.0  # by then a rate that climbs has come near to what it will be


class RateMeter:
    """Attempts per second over the last ten seconds or so."""

    def __init__(self, now_s: float) -> None:
        self._seen: list[tuple[float, int]] = [(now_s, 0)]

    def rate(self, now_s: float, calls: int) -> float:
        """Return the rate up to now, given the total so far."""
        self._seen.append((now_s, calls))
        while len(self._seen) > 2 and now_s - self._seen[1][0] >= _RATE_WINDOW_S:
            self._seen.pop(0)
        then_s, before = self._seen[0]
        return (calls - before) / (now_s - then_s) if now_s > then_s else 0.0

    def forget(self, until_s: float, calls: int) -> None:
        """Measure from `until_s` on, by when there were so many in total."""
        if self.since_s < until_s:
            later = [each for each in self._seen if each[0] > until_s]
            self._seen = [(until_s, calls), *later]

    @property
    def since_s(self) -> float:
        """When what is measured begins."""
        return self._seen[0][0]


class Eta:
    """Works out the time that is left from the rows of the last ten seconds, without outages."""

    def __init__(self, now_s: float) -> None:
        self._rows = RateMeter(now_s)

    def left_s(self, tally: Tally, now_s: float) -> float | None:
        """Return the seconds left; None while the service is down or too little has moved."""
        if tally.resumed is not None:
            self._rows.forget(*tally.resumed)
        rows_per_s = self._rows.rate(now_s, tally.rows_done)
        if tally.outage or rows_per_s <= 0 or now_s < self._rows.since_s + _SETTLED_S:
            return None
        return max(0.0, (tally.rows_expected - tally.rows_done) / rows_per_s)


class View(Protocol):
    """Shows a tally until it is cancelled."""

    async def run(self, tally: Tally) -> None:
        """Show `tally` now and then."""
        ...


class Progress(RunListener):
    """Has a view show a run's counts from the run's start on."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._tally: Tally | None = None
        self._has_started = anyio.Event()

    def started(self, start: Started) -> None:
        """Let the view begin."""
        self._tally = start.tally
        self._has_started.set()

    async def run(self) -> None:
        """Show the counts until cancelled."""
        await self._has_started.wait()
        if self._tally is not None:
            await self._view.run(self._tally)


class LineView:
    """A log line every ten seconds: sane in cron mail and log collectors."""

    def __init__(
        self, per_1000_usd: float | None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_1000_usd = per_1000_usd
        self._now_s = now_s

    async def run(self, tally: Tally) -> None:
        """See View.run."""
        calls, eta = RateMeter(self._now_s()), Eta(self._now_s())
        while True:
            await anyio.sleep(LINE_INTERVAL_S)
            now_s = self._now_s()
            left_s, outage = eta.left_s(tally, now_s), tally.outage
            log.info(
                "progress",
                rows=f"{tally.rows_done}/{tally.rows_expected}",
                **(_outage_fields(outage, now_s) if outage else {}),
                calls_per_s=calls.rate(now_s, tally.calls),
                **_target_field(tally),
                in_flight=tally.in_flight,
                failed=tally.errors.total(),
                throttled=tally.throttles,
                duplicates=tally.duplicates,
                **({} if outage else {"eta": _shown_eta(left_s)}),
                **_cost_field(tally.calls, self._per_1000_usd),
            )


class LiveView:
    """A bar, the rate, the ETA and the cost, redrawn in place on a terminal."""

    def __init__(self, per_1000_usd: float | None) -> None:
        self._per_1000_usd = per_1000_usd

    async def run(self, tally: Tally) -> None:
        """See View.run."""
        # Only terminals need rich: cron jobs start without importing it.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        calls, eta = RateMeter(time.monotonic()), Eta(time.monotonic())
        progress = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows"),
            TextColumn("{task.fields[state]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        bar = progress.add_task("", total=tally.rows_expected, state="")
        with suppress(OSError), progress:  # a terminal that is gone shows nothing any more
            while True:
                now_s = time.monotonic()
                rate, left_s = calls.rate(now_s, tally.calls), eta.left_s(tally, now_s)
                cost = _cost_field(tally.calls, self._per_1000_usd).get("cost_usd")
                state = state_of(tally, calls_per_s=rate, left_s=left_s, now_s=now_s)
                progress.update(
                    bar,
                    completed=tally.rows_done,
                    total=tally.rows_expected,
                    state=state + ("" if cost is None else f", ${cost:,.2f} so far (estimate)"),
                )
                progress.refresh()
                await anyio.sleep(LIVE_INTERVAL_S)


def state_of(tally: Tally, *, calls_per_s: float, left_s: float | None, now_s: float) -> str:
    """Return what the live view shows beside the bar, with rich's markup."""
    if outage := tally.outage:  # all that matters then, and it has to fit in
        down_s, stops_s = now_s - outage.since_s, max(0.0, outage.stops_s - now_s)
        code = outage.last_code.replace("[", r"\[")
        return f"[red]service down for {down_s:,.0f} s ({code}), stops in {stops_s:,.0f} s[/]"
    target = "" if tally.target_tps is None else f" of {tally.target_tps:,.0f}"
    rate, in_flight = f"[cyan]{calls_per_s:,.0f}{target}/s[/]", f"{tally.in_flight} in flight"
    return f"{rate} {in_flight} {_trouble(tally)} ETA {_shown_eta(left_s)}"


def _outage_fields(outage: Outage, now_s: float) -> dict[str, str | float]:
    return {
        "service": "down",
        "down_s": now_s - outage.since_s,
        "stops_in_s": max(0.0, outage.stops_s - now_s),
        "last": outage.last_code,
    }


def _target_field(tally: Tally) -> dict[str, float]:
    is_shown = tally.target_tps is not None and not tally.outage  # probes are not paced by it
    return {"target_per_s": tally.target_tps or 0.0} if is_shown else {}


def _trouble(tally: Tally) -> str:
    failed, throttled = tally.errors.total(), tally.throttles
    parts = [f"[red]{failed:,} failed[/]"] if failed else []
    parts += [f"[yellow]{throttled:,} throttled[/]"] if throttled else []
    parts = parts or ["[green]no errors[/]"]
    return ", ".join(parts + [f"{tally.duplicates:,} duplicates"] * bool(tally.duplicates))


def _cost_field(calls: int, per_1000_usd: float | None) -> dict[str, float]:
    cost = cost_usd(calls, per_1000_usd)
    return {} if cost is None else {"cost_usd": cost}


def _shown_eta(seconds: float | None) -> str:
    return "?" if seconds is None else duration(seconds)
