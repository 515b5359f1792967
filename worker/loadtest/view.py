"""How a load test is doing: a panel on a terminal, a line now and then otherwise."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Protocol

import anyio

from worker.loadtest.observer import Status
from worker.personalize.error_codes import redacted_code
from worker.runtime import log
from worker.runtime.text import duration
from worker.telemetry.cost import cost_usd
from worker.telemetry.progress import LINE_INTERVAL_S

_LIVE_INTERVAL_S = 0.5
_SHOWN_CODES = 4


class LoadView(Protocol):
    """Shows a status until it is cancelled."""

    async def run(self, status: Status) -> None:
        """Show `status` now and then."""
        ...


class LoadLineView:
    """A log line every ten seconds."""

    def __init__(self, per_1000_usd: float | None) -> None:
        self._per_1000_usd = per_1000_usd

    async def run(self, status: Status) -> None:
        """See LoadView.run."""
        while True:
            await anyio.sleep(LINE_INTERVAL_S)
            log.info("progress", **_line(status, self._per_1000_usd))


class LoadLiveView:
    """A table, redrawn in place."""

    def __init__(self, per_1000_usd: float | None) -> None:
        self._per_1000_usd = per_1000_usd

    async def run(self, status: Status) -> None:
        """See LoadView.run."""
        # Only terminals need rich: cron jobs start without importing it.
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table

        live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
        with suppress(OSError), live:  # a terminal that is gone shows nothing any more
            while True:
                panel = Table.grid(padding=(0, 2))
                for label, text in rows(status, self._per_1000_usd):
                    panel.add_row(f"[bold]{label}[/]", text)
                live.update(panel, refresh=True)
                await anyio.sleep(_LIVE_INTERVAL_S)


def load_view(per_1000_usd: float | None, *, live: bool) -> LoadView:
    """Return the view for a terminal, or for anything else."""
    return (LoadLiveView if live else LoadLineView)(per_1000_usd)


def rows(status: Status, per_1000_usd: float | None) -> list[tuple[str, str]]:
    """Return labels and texts of the live view, with rich's markup."""
    last, total = status.last, status.total
    cost = cost_usd(total.calls, per_1000_usd)
    shown = [("test", f"{status.label}, {_left(status)}")]
    if last is not None:
        achieved = last.sent / last.seconds if last.seconds else 0.0
        shown += [
            ("rate", f"[cyan]{achieved:,.0f}/s[/] of {last.target_tps:,.0f}/s"),
            ("in flight", f"{last.in_flight:,}"),
            ("latency", f"p50 {_ms(last.p50_ms)}, p99 {_ms(last.p99_ms)}"),
        ]
    codes = ", ".join(
        f"{n:,} {redacted_code(code)}" for code, n in total.errors.most_common(_SHOWN_CODES)
    )
    shown += [
        ("calls", f"{total.calls:,}" + ("" if cost is None else f", ${cost:,.2f} (estimate)")),
        ("throttled", f"[yellow]{total.throttles:,}[/]" if total.throttles else "none"),
        ("failed", f"[red]{codes}[/]" if codes else "none"),
    ]
    if off := total.late + total.missed + total.crowded:
        shown.append(("client", f"[yellow]{off:,} calls late or missed[/]"))
    return shown


def _line(status: Status, per_1000_usd: float | None) -> dict[str, Any]:
    last, total = status.last, status.total
    cost = cost_usd(total.calls, per_1000_usd)
    now: dict[str, Any] = {}
    if last is not None:
        now = {
            "target_per_s": last.target_tps,
            "calls_per_s": last.sent / last.seconds if last.seconds else 0.0,
            "in_flight": last.in_flight,
            "p50_ms": last.p50_ms,
            "p99_ms": last.p99_ms,
        }
    return {
        "stage": status.label,
        **now,
        "calls": total.calls,
        "throttled": total.throttles,
        "failed": total.errors.total(),
        "late": total.late + total.missed + total.crowded,
        "eta": _left(status),
        **({} if cost is None else {"cost_usd": cost}),
    }


def _left(status: Status) -> str:
    passed_s = time.monotonic() - status.begun_s
    if status.seconds is None:
        return f"{duration(passed_s)} so far"
    return f"ETA {duration(max(0.0, status.seconds - passed_s))}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"
