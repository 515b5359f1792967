"""What the control plane is asked: the provisioned TPS."""

from __future__ import annotations

import pytest
from support.scripts import Reply, Script, error, serving

from worker.aws.access import Access
from worker.aws.control_plane import provisioned_tps
from worker.aws.login import Login
from worker.config.model import Target
from worker.errors import RefusedError, StoppedError
from worker.runtime.clock import MonotonicClock


def describe(replies: list[Reply], tps: int = 7) -> Script:
    """Answer DescribeCampaign: first `replies`, then a campaign."""
    sound = Reply(body={"campaign": {"minProvisionedTPS": tps, "status": "ACTIVE"}})
    return lambda request: replies[request.number] if request.number < len(replies) else sound


async def ask(script: Script) -> float:
    target = Target.model_validate(
        {
            "operation": "GetRecommendations",
            "campaign_arn": "arn:aws:personalize:us-east-1:1:campaign/c",
        }
    )
    with serving(script) as service:
        access = Access(region="us-east-1", endpoint_url=service.url)
        async with Login(access, MonotonicClock()) as login:
            return await provisioned_tps(login, target)


async def test_the_provisioned_tps_survives_a_throttle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", no_delay)
    assert await ask(describe([error("ThrottlingException", 400)])) == 7.0


def no_delay(*_: object) -> float:
    return 0.0


async def test_without_permission_to_ask_for_the_tps_the_run_is_refused() -> None:
    with pytest.raises(RefusedError, match="AccessDeniedException"):
        await ask(describe([error("AccessDeniedException", 400)]))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"null", b"5", b"<html>", b"\xff", b'{"campaign": 5}',
        b'{"campaign": []}', b'{"campaign": {}}', b'{"campaign": {"minProvisionedTPS": null}}',
        b'{"campaign": {"minProvisionedTPS": "7"}}', b'{"campaign": {"minProvisionedTPS": true}}',
        b'{"campaign": {"minProvisionedTPS": 0}}', b'{"campaign": {"minProvisionedTPS": -1}}',
        b'{"recommender": {"recommenderConfig": {"minRecommendationRequestsPerSecond": 7}}}',
        b'{"itemList": [], "recommendationId": "x"}',
    ],
)  # fmt: skip
async def test_what_another_service_answers_is_advice(raw: bytes) -> None:
    with pytest.raises(RefusedError, match=r"no campaign\.minProvisionedTPS") as raised:
        await ask(lambda _: Reply(raw=raw))
    assert "rate.tps" in raised.value.hint


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"5", b"<html>", b'{"message": 5}', b"\xff"])
@pytest.mark.parametrize("status", [301, 400, 403, 404, 500, 503])
async def test_an_error_of_any_shape_is_advice(
    raw: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", no_delay)
    with pytest.raises(StoppedError if status >= 500 else RefusedError, match="provisioned TPS"):
        await ask(lambda _: Reply(status=status, raw=raw))
