"""The rate of a run: named, or what the target has provisioned, paced to a deadline or not."""

from __future__ import annotations

import pytest

from worker.config.model import Rate, Stop
from worker.rate.choice import choose_rate, needs_provisioned_tps
from worker.rate.ramp import Ramp


@pytest.mark.parametrize(
    ("rate", "deadline", "tps", "paced_to", "starts_slowly"),
    [
        ({"tps": 200.0}, None, 200.0, None, True),
        ({"tps": 200.0}, "2h", 200.0, None, True),
        ({"tps": 200.0, "ramp_s": 60.0}, None, 200.0, None, False),
        ({}, None, 50.0, None, False),
        ({}, "2h", 50.0, "2h", False),
    ],
)
def test_who_names_a_rate_gets_it_and_others_the_provisioned_one_paced_to_their_deadline(
    rate: dict[str, float],
    deadline: str | None,
    tps: float,
    paced_to: str | None,
    starts_slowly: bool,
) -> None:
    section = Rate.model_validate(rate)
    stop = Stop.model_validate({"deadline": deadline} if deadline else {})
    choice = choose_rate(section, stop, provisioned_tps=50.0)
    assert needs_provisioned_tps(section) is choice.is_provisioned is ("tps" not in rate)
    assert (choice.ramp.tps, choice.paced_to, choice.starts_slowly) == (
        tps,
        paced_to,
        starts_slowly,
    )
    ramp_s = rate.get("ramp_s", 0.0)
    assert choice.ramp == Ramp.climbing(tps=tps, ramp_s=ramp_s, ramp_from=None)


def test_a_rate_that_nobody_knows_is_a_bug() -> None:
    with pytest.raises(ValueError, match="provisioned"):
        choose_rate(Rate.model_validate({}), Stop.model_validate({}), provisioned_tps=None)
