"""What listeners hear of calls: each that leaves, each answer, each throttle, an outage."""

from __future__ import annotations

import pytest
from support.lanes import ANSWER, Run

from worker.model import Answer, Failure
from worker.telemetry.listener import RunListener

THROTTLED = Failure("ThrottlingException", "slow down", http_status=400)
BROKEN = Failure("InternalFailure", "no", http_status=500)


class Heard(RunListener):
    """Remembers what it hears of."""

    def __init__(self) -> None:
        self.sent_s: list[float] = []
        self.took_s: list[float] = []
        self.throttled_codes: list[str] = []
        self.retries = 0
        self.outages: list[tuple[str, float]] = []

    def called(self, sent_s: float, *, is_retry: bool) -> None:
        self.sent_s.append(sent_s)
        self.retries += is_retry

    def answered(self, took_s: float) -> None:
        self.took_s.append(took_s)

    def throttled(self, code: str) -> None:
        self.throttled_codes.append(code)

    def down(self, code: str, *, stops_in_s: float) -> None:
        self.outages.append((code, stops_in_s))

    def up(self, down_s: float) -> None:
        self.outages.append(("up", down_s))


def test_each_call_that_leaves_is_heard_of_and_each_answer() -> None:
    def service(row: int, _: float) -> Answer | Failure:
        first = row % 4 == 0 and row not in seen
        seen.add(row)
        return THROTTLED if first else ANSWER

    seen, heard = set[int](), Heard()
    run = Run(service, rows=40, budget_share=1.0, listener=heard).go()
    assert not run.failed
    assert len(heard.sent_s) == len(run.sent) == 50
    assert heard.sent_s == pytest.approx([at_s for at_s, _ in run.sent])
    assert heard.retries == 10
    assert heard.took_s == pytest.approx([run.latency_s] * 40)
    assert heard.throttled_codes == ["ThrottlingException"] * 10
    assert heard.outages == []


@pytest.mark.parametrize(("begin_s", "end_s", "moments"), [(5.0, 45.0, 2), (5.0, 5.3, 0)])
def test_an_outage_of_a_second_is_heard_of_and_its_end_and_a_shorter_one_is_not(
    begin_s: float, end_s: float, moments: int
) -> None:
    def service(_: int, now_s: float) -> Answer | Failure:
        return BROKEN if begin_s <= now_s < end_s else ANSWER

    run = Run(service, rows=2_000, listener=(heard := Heard())).go()
    assert not run.failed
    assert len(heard.outages) == moments
    if moments:
        (code, stops_in_s), (up, down_s) = heard.outages
        assert (code, up) == ("InternalFailure", "up")
        assert stops_in_s == pytest.approx(119.0, abs=1.0)
        assert down_s == pytest.approx(end_s - begin_s, abs=5.0)
