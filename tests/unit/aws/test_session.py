"""The SDK's session that requests are prepared with."""

from __future__ import annotations

import botocore.session

from worker.aws.access import Access
from worker.aws.session import SdkSession


def test_a_session_knows_every_service_that_the_sdk_knows() -> None:
    session = SdkSession(Access(region="us-east-1", endpoint_url="http://127.0.0.1:1"))._session
    wanted = botocore.session.Session().get_available_services()
    services = session.get_available_services()
    assert list(services) == wanted
    assert all(name in services for name in wanted)
    assert "no-such-service" not in services
