"""The rate of a run, chosen once: from the config, or from what its target has provisioned."""

from __future__ import annotations

from dataclasses import dataclass

from worker.config.model import Rate, Stop
from worker.rate.ramp import Ramp


@dataclass(frozen=True, slots=True, kw_only=True)
class RateChoice:
    """How fast a run goes at most, and why. `plan` shows what `run` then does."""

    ramp: Ramp  # never exceeded; its `tps` is the ceiling
    is_provisioned: bool  # the ceiling is the target's provisioned TPS, not the config's rate.tps
    paced_to: str | None  # the stop.deadline that the run is paced to fit; None: full speed
    is_adaptive: bool  # throttles lower the rate

    @property
    def starts_slowly(self) -> bool:
        """Whether an adaptive rate climbs first: a ramp is slow, and what is provisioned is there.

        So it does below a ceiling that someone named, without a ramp.
        """
        return not self.is_provisioned and not self.ramp.ramp_s


def needs_provisioned_tps(rate: Rate) -> bool:
    """Return whether the target must be asked what it has provisioned."""
    return rate.tps is None


def choose_rate(rate: Rate, stop: Stop, *, provisioned_tps: float | None) -> RateChoice:
    """Return the rate of a run. `provisioned_tps` is the target's, where it is needed.

    Only a run without rate.tps is paced to its deadline: whoever names a rate gets it. Raises
    ValueError, a bug of this program, when the provisioned TPS is needed and missing.
    """
    tps = rate.tps if rate.tps is not None else provisioned_tps
    if tps is None:
        raise ValueError("neither rate.tps nor the provisioned TPS is known")
    is_provisioned = needs_provisioned_tps(rate)
    return RateChoice(
        ramp=Ramp.climbing(tps=tps, ramp_s=rate.ramp_s, ramp_from=rate.ramp_from),
        is_provisioned=is_provisioned,
        paced_to=stop.deadline if is_provisioned else None,
        is_adaptive=rate.adaptive,
    )
