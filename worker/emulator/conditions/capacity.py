"""How much each resource serves: token buckets whose rate follows the load, as the service's does.

A resource has a provisioned rate, never below its minimum, and serves that plus a buffer. Load is
averaged over slices, a tenth of the shorter scaling time. Once every slice of a whole `scale_out_s`
was above the provisioned rate, the rate becomes the average load of that time; once every slice of
a whole `scale_in_s` was below it, the rate becomes the highest of these slices. Load is what was
asked for, served or not. A raised minimum holds at once, a lowered one after scaling in.

Quotas bound each resource and the account, whatever is provisioned. A call is served if all of its
buckets have a token, and takes none otherwise. GetActionRecommendations has the quota of the other
operations and shares the account's with them. Recommenders, whose quota is not documented, have a
campaign's and count towards the account's.

Time is given, in seconds from any beginning; earlier than before counts as the same moment.
Sources: `CapacitySettings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from worker.emulator.conditions.settings import CapacitySettings

SLICES: Final = 10
"""Slices in the shorter scaling time: load is seen at this grain."""

_SLACK: Final = 1e-9  # what adding up floats may lose


class Bucket:
    """A token bucket: `rate` tokens a second, `burst_s` seconds of them at most, or one."""

    def __init__(self, rate: float, *, burst_s: float, now_s: float) -> None:
        self.rate = rate
        self._burst_s = burst_s
        self._tokens = self._most
        self._at_s = now_s

    def holds(self, now_s: float) -> bool:
        """Tell whether there is a token."""
        if now_s > self._at_s:
            self._tokens = min(self._most, self._tokens + self.rate * (now_s - self._at_s))
            self._at_s = now_s
        return self._tokens >= 1 - _SLACK

    def take(self) -> None:
        """Take a token that it holds."""
        self._tokens -= 1

    def change(self, rate: float, *, burst_s: float, now_s: float) -> None:
        """Fill at another rate from now on; what is beyond the new burst is lost."""
        self.holds(now_s)
        self.rate, self._burst_s = rate, burst_s
        self._tokens = min(self._tokens, self._most)

    @property
    def _most(self) -> float:
        return max(1.0, self.rate * self._burst_s)


class Scaling:
    """A resource's provisioned rate, which follows its load."""

    def __init__(self, settings: CapacitySettings, minimum: float, now_s: float) -> None:
        self.minimum = minimum
        self.provisioned = minimum
        self.change(settings, now_s)

    def change(self, settings: CapacitySettings, now_s: float) -> None:
        """Scale by other settings from now on; what is provisioned stays, slices begin anew."""
        self._out_s = settings.scale_out_s / settings.time_factor
        self._in_s = settings.scale_in_s / settings.time_factor
        self._slice_s = min(self._out_s, self._in_s) / SLICES
        self._rate_max = settings.campaign_tps_max
        self._begun_s = now_s
        self._calls = 0
        self._above: list[float] = []  # average loads of the latest slices in a row
        self._below: list[float] = []

    def count(self, now_s: float) -> None:
        """Count a call, after the slices that are over."""
        self.advance(now_s)
        self._calls += 1

    def advance(self, now_s: float) -> None:
        """Judge the slices that are over; of a long pause, as many as can matter.

        Those before a pause may scale in to their highest load, and as many again to the minimum.
        """
        over = int((now_s - self._begun_s) / self._slice_s)
        if over <= 0:
            return
        for _ in range(min(over, 3 + 2 * int(self._in_s / self._slice_s))):
            self._judge(self._calls / self._slice_s)
            self._calls = 0
        self._begun_s += over * self._slice_s

    def set_minimum(self, minimum: float) -> None:
        """Change the minimum."""
        self.minimum = minimum
        self.provisioned = max(self.provisioned, minimum)

    def _judge(self, load: float) -> None:
        for loads, belongs in (
            (self._above, load > self.provisioned),
            (self._below, load < self.provisioned),
        ):
            if belongs:
                loads.append(load)
            else:
                loads.clear()
        if len(self._above) * self._slice_s >= self._out_s - _SLACK:
            average = sum(self._above) / len(self._above)
            self.provisioned = max(self.minimum, min(average, self._rate_max))
            self._above.clear()
        elif len(self._below) * self._slice_s >= self._in_s - _SLACK:
            self.provisioned = max(self.minimum, *self._below)
            self._below.clear()


class Capacity:
    """The resources' capacities by ARN; without settings it is unlimited."""

    def __init__(
        self, settings: CapacitySettings | None, minimums: Mapping[str, float], now_s: float
    ) -> None:
        self.settings = settings
        known = settings or CapacitySettings()
        self._share = 1 + known.buffer_share
        self._scaling = {arn: Scaling(known, tps, now_s) for arn, tps in minimums.items()}
        burst_s = known.burst_s
        self._served = {
            arn: Bucket(tps * self._share, burst_s=burst_s, now_s=now_s)
            for arn, tps in minimums.items()
        }
        self._quotas = {
            arn: Bucket(known.campaign_tps_max, burst_s=burst_s, now_s=now_s) for arn in minimums
        }
        self._account = Bucket(known.account_tps_max, burst_s=burst_s, now_s=now_s)

    def change(self, settings: CapacitySettings, now_s: float) -> None:
        """Set the capacity from now on."""
        self.settings, self._share = settings, 1 + settings.buffer_share
        burst_s = settings.burst_s
        for scaling in self._scaling.values():
            scaling.advance(now_s)
            scaling.change(settings, now_s)
        for served in self._served.values():
            served.change(served.rate, burst_s=burst_s, now_s=now_s)
        for quota in self._quotas.values():
            quota.change(settings.campaign_tps_max, burst_s=burst_s, now_s=now_s)
        self._account.change(settings.account_tps_max, burst_s=burst_s, now_s=now_s)

    def refused(self, arn: str, now_s: float) -> str | None:
        """Count a call to a resource; return why it is throttled, or None when it is served."""
        if self.settings is None or arn not in self._scaling:
            return None
        scaling, served = self._scaling[arn], self._served[arn]
        scaling.count(now_s)
        served.rate = scaling.provisioned * self._share
        quota, account = self._quotas[arn], self._account
        # All of them, not the first that is short of tokens: each must know what time it is
        has_served, has_quota, has_account = (
            bucket.holds(now_s) for bucket in (served, quota, account)
        )
        if not has_account:
            return f"the account's quota is {self.settings.account_tps_max:g} calls per second"
        if not has_quota:
            return f"the quota of {arn} is {self.settings.campaign_tps_max:g} calls per second"
        if not has_served:
            return f"{arn} serves {served.rate:g} calls per second at the moment"
        for bucket in (served, quota, account):
            bucket.take()
        return None

    def set_minimum(self, arn: str, minimum: float, now_s: float) -> None:
        """Change a resource's minimum, from now on."""
        if arn in self._scaling:
            self._scaling[arn].advance(now_s)
            self._scaling[arn].set_minimum(minimum)

    def state(self, now_s: float) -> dict[str, dict[str, float]]:
        """Return minimum, provisioned and served rates by ARN; nothing when unlimited."""
        if self.settings is None:
            return {}
        for scaling in self._scaling.values():
            scaling.advance(now_s)
        return {
            arn: {
                "minimum_tps": scaling.minimum,
                "provisioned_tps": scaling.provisioned,
                "served_tps_max": min(
                    scaling.provisioned * self._share, self.settings.campaign_tps_max
                ),
            }
            for arn, scaling in self._scaling.items()
        }
