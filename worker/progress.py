"""How a run is doing: a live view on a terminal, a line now and then otherwise."""

import time
from collections.abc import Callable
from typing import Protocol

import anyio

from worker import log
from worker.show import duration
from worker.summary import cost_usd
from worker.tally import Tally

LINE_INTERVAL_S = 10.0
LIVE_INTERVAL_S = 0.25
_RATE_WINDOW_S = 10.0


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


def eta_s(tally: Tally, rows_per_s: float) -> float | None:
    """Return the seconds left at this rate; None while nothing moves."""
    left = tally.rows_expected - tally.rows_done
    return max(0.0, left / rows_per_s) if rows_per_s > 0 else None


class View(Protocol):
    """Shows a tally until it is cancelled."""

    async def run(self, tally: Tally) -> None:
        """Show `tally` now and then."""
        ...


class LineView:
    """A log line every ten seconds: sane in cron mail and log collectors."""

    def __init__(
        self, per_1000_usd: float | None, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_1000_usd = per_1000_usd
        self._now_s = now_s

    async def run(self, tally: Tally) -> None:
        """See View.run."""
        calls, rows = RateMeter(self._now_s()), RateMeter(self._now_s())
        while True:
            await anyio.sleep(LINE_INTERVAL_S)
            now_s = self._now_s()
            rows_per_s = rows.rate(now_s, tally.rows_done)
            log.info(
                "progress",
                rows=f"{tally.rows_done}/{tally.rows_expected}",
                calls_per_s=calls.rate(now_s, tally.calls),
                **({} if tally.target_tps is None else {"target_per_s": tally.target_tps}),
                in_flight=tally.in_flight,
                failed=tally.errors.total(),
                throttled=tally.throttles,
                duplicates=tally.duplicates,
                eta=_shown_eta(eta_s(tally, rows_per_s)),
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

        calls, rows = RateMeter(time.monotonic()), RateMeter(time.monotonic())
        progress = Progress(
            BarColumn(bar_width=None),
            TextColumn("{task.completed:,.0f}/{task.total:,.0f} rows"),
            TextColumn("[cyan]{task.fields[rate]:,.0f}{task.fields[target]}/s"),
            TextColumn("{task.fields[in_flight]} in flight"),
            TextColumn("{task.fields[trouble]}"),
            TextColumn("ETA {task.fields[eta]}{task.fields[cost]}"),
            console=Console(stderr=True),
            auto_refresh=False,
            transient=True,
        )
        bar = progress.add_task(
            "",
            total=tally.rows_expected,
            rate=0.0,
            target="",
            in_flight=0,
            trouble="",
            eta="?",
            cost="",
        )
        with progress:
            while True:
                now_s = time.monotonic()
                rate = calls.rate(now_s, tally.calls)
                rows_per_s = rows.rate(now_s, tally.rows_done)
                cost = _cost_field(tally.calls, self._per_1000_usd).get("cost_usd")
                progress.update(
                    bar,
                    completed=tally.rows_done,
                    total=tally.rows_expected,
                    rate=rate,
                    target="" if tally.target_tps is None else f" of {tally.target_tps:,.0f}",
                    in_flight=tally.in_flight,
                    trouble=_trouble(tally),
                    eta=_shown_eta(eta_s(tally, rows_per_s)),
                    cost=f", ${cost:,.2f} so far (estimate)" if cost is not None else "",
                )
                progress.refresh()
                await anyio.sleep(LIVE_INTERVAL_S)


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
