"""This program's own emulator is reached whatever a machine's files and variables say of AWS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.machines import MACHINES, environment
from support.scripts import Reply, serving
from support.services import Request
from unit.transport.transports import opened_by

from worker.aws.access import emulator_access
from worker.aws.control_plane import provisioned_tps
from worker.aws.login import Login
from worker.config.model import Target
from worker.model import Answer
from worker.runtime.clock import MonotonicClock
from worker.transport._sdk import SdkTransport
from worker.transport.wire import WireTransport

TARGET = Target.model_validate(
    {
        "operation": "GetRecommendations",
        "campaign_arn": "arn:aws:personalize:us-east-1:000000000000:campaign/c",
    }
)


def emulator(request: Request) -> Reply:
    if request.path == "/recommendations":
        return Reply(body={"itemList": [], "recommendationId": "x"})
    return Reply(body={"campaign": {"minProvisionedTPS": 7}})


@pytest.mark.parametrize(("wanted", "kind"), [("wire", WireTransport), ("sdk", SdkTransport)])
@pytest.mark.parametrize("machine", MACHINES)
async def test_it_is_reached_where_there_is(
    machine: str, wanted: Any, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path, machine).items():
        monkeypatch.setenv(name, value)
    with serving(emulator) as service:
        async with (
            Login(emulator_access(service.url, "us-east-1"), MonotonicClock()) as login,
            opened_by(login, wanted) as transport,
        ):
            assert isinstance(transport, kind)
            assert isinstance(await transport.call(b'{"userId":"u"}'), Answer)
            if wanted == "sdk":  # the control plane is asked through it, whatever is wanted
                assert await provisioned_tps(login, TARGET) == 7.0
    assert all("/us-east-1/" in each.headers["Authorization"] for each in service.received)
