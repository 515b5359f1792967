"""What happens to a request on its way: pure decisions, made from a seed and a number.

Choices: the requests of the runtime have weather, the control plane never has. Requests are
numbered from 0 in the order of their arrival, and from 0 again whenever the weather is set; the
same settings and the same order give the same fates. Each fate is drawn of its own, so changing one
share leaves the others' victims as they are. A reset beats a cut body, which beats a slow one.
A cut body announces its full length, or a further chunk, and ends in the middle. The stall is a
schedule in real time from the moment when the weather was set; answers that fall into it are sent
at its end. gzip goes to clients that accept it only, and AWS's SDKs ask for `identity`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from hashlib import blake2b
from statistics import NormalDist
from typing import Final

from worker.emulator.conditions.settings import InjectedCode, StallSettings, WeatherSettings

INJECTED_STATUS: Final[dict[InjectedCode, int]] = {
    "InternalFailure": 500,
    "ServiceUnavailable": 503,
    "ThrottlingException": 400,
}
"""Statuses of the developer guide's "Common errors"; a throttle's may be set to 429."""

_NORMAL: Final = NormalDist()
_Z99: Final = _NORMAL.inv_cdf(0.99)
_DRAWS: Final = 8
_DRAW_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What happens to one answer. The default is fair weather."""

    latency_s: float = 0.0
    error: InjectedCode | None = None
    reset: bool = False  # RST instead of an answer
    cut: bool = False  # the body ends in the middle, then the connection
    slow_s: float = 0.0  # how long the body takes
    close: bool = False  # Connection: close
    chunked: bool = False
    gzip: bool = False


FAIR: Final = Fate()


def fate(settings: WeatherSettings, number: int) -> Fate:
    """Return what happens to the request of this number: a pure function of the two."""
    latency, error, reset, cut, slow, close, chunked, gzip = _draws(settings.seed, number)
    return Fate(
        latency_s=latency_s(settings, latency),
        error=_error(settings, error),
        reset=reset < settings.reset_share,
        cut=cut < settings.cut_body_share,
        slow_s=settings.slow_body_s if slow < settings.slow_body_share else 0.0,
        close=close < settings.close_share,
        chunked=chunked < settings.chunked_share,
        gzip=gzip < settings.gzip_share,
    )


LATENCY_MAX_S: Final = 600.0
"""Longest latency that is drawn: a wide lognormal has a tail of years."""


def latency_s(settings: WeatherSettings, quantile: float) -> float:
    """Return the latency at a quantile, 0 <= quantile < 1, of the lognormal through p50 and p99."""
    p50_s = settings.latency_ms_p50 / 1000
    if settings.latency_ms_p99 is None:
        return p50_s
    sigma = math.log(settings.latency_ms_p99 / settings.latency_ms_p50) / _Z99
    latency = p50_s * math.exp(sigma * _NORMAL.inv_cdf(max(quantile, 2**-64)))
    return min(latency, LATENCY_MAX_S)


def stalled_s(stall: StallSettings | None, since_s: float) -> float:
    """Return how long nothing is answered from `since_s` seconds after the weather was set."""
    if stall is None:
        return 0.0
    into = since_s % stall.every_s
    return stall.every_s - into if into >= stall.every_s - stall.for_s else 0.0


def _error(settings: WeatherSettings, draw: float) -> InjectedCode | None:
    below = 0.0
    for code, share in settings.error_shares.items():
        below += share
        if draw < below:
            return code
    return None


def _draws(seed: int, number: int) -> list[float]:
    """Return eight uniform numbers, 0 <= number < 1, that are the same wherever this runs."""
    digest = blake2b(
        number.to_bytes(8, "big"), digest_size=_DRAWS * _DRAW_BYTES, key=seed.to_bytes(8, "big")
    ).digest()
    # 53 bits, as many as a float holds, lest the largest draw be rounded up to 1
    return [
        (int.from_bytes(digest[at : at + _DRAW_BYTES], "big") >> 11) / 2**53
        for at in range(0, len(digest), _DRAW_BYTES)
    ]


class Weather:
    """The weather there is now: it can be set while it runs, and numbers the requests."""

    def __init__(self, settings: WeatherSettings | None, now_s: float) -> None:
        self.change(settings or WeatherSettings(), now_s)

    def change(self, settings: WeatherSettings, now_s: float) -> None:
        """Set the weather; numbers and stalls begin anew."""
        self.settings = settings
        self._set_at_s = now_s
        self._number = 0
        self._is_fair = settings == WeatherSettings(seed=settings.seed)

    def next(self) -> Fate:
        """Return the next request's fate."""
        number, self._number = self._number, self._number + 1
        return FAIR if self._is_fair else fate(self.settings, number)

    def wait_s(self, latency_s: float, now_s: float) -> float:
        """Return how long an answer waits whose latency is known: to the end of a stall if need."""
        due_s = now_s + latency_s - self._set_at_s
        return latency_s + stalled_s(self.settings.stall, due_s)
