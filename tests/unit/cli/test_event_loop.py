"""What the event loop of a command says of what no one waits for."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import ssl

import pytest
import trustme
from support.certificates import client_context
from support.services import HOST, Peer, serving_talk

from worker.aws.access import Access
from worker.cli.event_loop import run_with_access
from worker.config.model import Target
from worker.runtime import signals
from worker.runtime.event_loop import connect
from worker.runtime.stop import StopSwitch

TARGET = Target.model_validate(
    {
        "operation": "GetRecommendations",
        "campaign_arn": "arn:aws:personalize:us-east-1:000000000000:campaign/c",
    }
)


async def _fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "in_task", "level"),
    [
        (ssl.SSLCertVerificationError(1, "not trusted"), False, "DEBUG"),
        (ConnectionResetError(104, "reset"), False, "DEBUG"),
        (RuntimeError("a bug"), False, "ERROR"),
        (OSError("a bug"), True, "ERROR"),
    ],
)
def test_a_connection_that_was_given_up_is_not_worth_a_message_but_a_bug_is(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture, *, in_task: bool
) -> None:
    async def main(_: Access, __: StopSwitch) -> None:
        loop = asyncio.get_running_loop()
        if in_task:
            loop.create_task(_fail(error))  # noqa: RUF006 - it is to be forgotten
        else:
            loop.create_future().set_exception(error)
        await asyncio.sleep(0)
        gc.collect()

    with caplog.at_level(logging.DEBUG, logger="worker"):
        run_with_access(main, TARGET, emulator=None, settings=())
    assert [record.levelname for record in caplog.records] == [level]


async def _hang_up(peer: Peer) -> None:
    """Close in an orderly way when the greeting of TLS has been read."""
    await peer.reader.read(1 << 16)


def test_a_connection_that_ends_in_its_handshake_is_raised_and_not_told_of_besides(
    authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(_: Access, __: StopSwitch) -> None:
        for _try in range(3):  # what one leaves behind is told of during the next, at the latest
            with pytest.raises(ConnectionResetError):
                await connect(
                    asyncio.Protocol(),
                    (HOST, service.port),
                    tls=client_context(authority),
                    host=HOST,
                )

    with serving_talk(_hang_up) as service, caplog.at_level(logging.INFO, logger="worker"):
        run_with_access(main, TARGET, emulator=None, settings=())
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def test_signals_are_handled_afterwards_as_before() -> None:
    def handler(*_: object) -> None:
        raise AssertionError("nobody sends one")

    async def main(_: Access, __: StopSwitch) -> None:
        while signal.getsignal(signal.SIGTERM) is handler:  # noqa: ASYNC110 - until it is watched
            await asyncio.sleep(0)

    before = {number: signal.signal(number, handler) for number in signals.ALL}
    try:
        run_with_access(main, TARGET, emulator=None, settings=())
        assert {signal.getsignal(number) for number in signals.ALL} == {handler}
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
