"""Numbers and times as a report shows them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

NONE = "none"


def count(value: float) -> str:
    """Return a whole number with thousands marked."""
    return f"{value:,.0f}"


def share(value: float) -> str:
    """Return a share in percent; what is not nothing is never shown as nothing."""
    percent = value * 100
    if 0 < percent < 0.01:
        return "< 0.01 %"
    return f"{percent:.2f} %" if percent < 10 else f"{percent:.1f} %"


def number(value: float) -> str:
    """Return four digits of a number."""
    if value and abs(value) < 0.001:
        return f"{value:.2e}"
    return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"


def when(time: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def clock(at_us: int) -> str:
    """Return the time of day, in UTC, of microseconds since 1970."""
    return f"{datetime.fromtimestamp(at_us / 1e6, UTC):%H:%M:%S}"
