"""TLS: a certificate that nobody vouches for ends the run, and anything else fails one call."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme
from support.certificates import bundle, client_context, server_context
from support.services import HOST, Peer, Talk, no_socket_left, served, wired
from unit.transport.messages import SOUND, answering, echoing, reply, request
from unit.transport.transports import EVERY_NETWORK, opened, pool_of

from worker.errors import RefusedError
from worker.model import Answer, Failure
from worker.transport._http1 import Reply

pytestmark = EVERY_NETWORK

LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


def expired(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, not_before=LONG_AGO, not_after=LONG_AGO).configure_cert(context)
    return context


async def call(port: int, wanted: Any, **access: Any) -> Answer | Failure:
    async with opened(f"https://{HOST}:{port}", wanted, **access) as transport:
        return await transport.call(b'{"userId":"1"}')


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
@pytest.mark.parametrize("how", ["untrusted", "another-name", "expired"])
async def test_a_certificate_that_nobody_vouches_for_refuses_the_run(
    how: str, wanted: str, authority: trustme.CA, tmp_path: Path
) -> None:
    context = {
        "untrusted": server_context(trustme.CA(), HOST),
        "another-name": server_context(authority, "service.example"),
        "expired": expired(authority),
    }[how]
    async with wired(answering(reply()), tls=context) as service:
        with pytest.raises(RefusedError, match="certificate is not trusted") as refused:
            await call(service.port, wanted, ca_bundle=bundle(authority, tmp_path))
    assert not service.received
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
@pytest.mark.parametrize("where", ["target", "environment", "profile"])
async def test_a_trust_root_is_taken_from_wherever_the_sdk_takes_it(
    where: str,
    wanted: str,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = bundle(authority, tmp_path)
    access: dict[str, str] = {}
    if where == "target":
        access["ca_bundle"] = path
    elif where == "environment":
        monkeypatch.setenv("AWS_CA_BUNDLE", path)
    else:
        config = tmp_path / "config"
        config.write_text(
            f"[profile p]\nca_bundle = {path}\n"
            "aws_access_key_id = AKID\naws_secret_access_key = secret\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        access["profile"] = "p"
    async with wired(answering(reply()), tls=server_context(authority, HOST)) as service:
        assert await call(service.port, wanted, **access) == Answer(SOUND, None)


async def without_close_notify(peer: Peer) -> None:
    """Answer until the end, and then cut the connection below TLS."""
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
    peer.drop()


async def reset(peer: Peer) -> None:
    await peer.request()
    peer.drop()


async def plain(peer: Peer) -> None:
    """Take the greeting of TLS for a bad request."""
    await peer.reader.readexactly(1)
    await peer.send(reply(b"", status=b"400 Bad Request"))


async def hang_up(peer: Peer) -> None:
    """Read the greeting of TLS, and end the connection."""
    await peer.reader.read(1 << 16)


async def mute(peer: Peer) -> None:
    """Never answer the greeting of TLS."""
    await peer.until_gone()


@pytest.mark.parametrize(
    ("talk", "has_tls", "codes"),
    [
        (without_close_notify, True, {"ConnectionLost"}),
        (reset, True, {"ConnectionLost"}),
        (plain, False, {"ConnectFailed"}),
        (mute, False, {"TimedOut"}),
    ],
)
async def test_a_connection_that_breaks_fails_one_call(
    talk: Talk, codes: set[str], authority: trustme.CA, *, has_tls: bool
) -> None:
    server = server_context(authority, HOST) if has_tls else None
    timeout_s = 0.5 if talk is mute else 20.0
    async with no_socket_left(), AsyncExitStack() as stack:
        service = await stack.enter_async_context(wired(talk, tls=server))
        pool = await stack.enter_async_context(
            pool_of(service, tls=client_context(authority), timeout_s=timeout_s)
        )
        failure = await pool.exchange(request())
        assert isinstance(failure, Failure)
        assert failure.code in codes
        assert failure.message


async def test_a_connection_that_ends_in_its_handshake_is_told_in_words(
    authority: trustme.CA,
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # see unit/commands
    async with (
        served(hang_up) as service,
        pool_of(service, tls=client_context(authority)) as pool,
    ):
        failure = await pool.exchange(request())
    assert isinstance(failure, Failure)
    assert failure.code == "ConnectFailed"
    assert not failure.message.endswith(": ")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_one_tls_connection_serves_many_requests_of_any_size(
    version: ssl.TLSVersion, authority: trustme.CA
) -> None:
    server = server_context(authority, HOST)
    server.minimum_version = server.maximum_version = version
    async with (
        no_socket_left(),
        wired(echoing(), tls=server) as service,
        pool_of(service, tls=client_context(authority)) as pool,
    ):
        for size in (1, 16_384, 3_000_000, 0, 70_000):
            answer = await pool.exchange(request(b"x" * size))
            assert isinstance(answer, Reply)
            assert len(answer.body) == size
        assert len(service.peers) == 1


async def test_a_server_that_says_goodbye_while_idle_costs_no_request(
    authority: trustme.CA,
) -> None:
    async with (
        wired(echoing(closing_after=1), tls=server_context(authority, HOST)) as service,
        pool_of(service, tls=client_context(authority)) as pool,
    ):
        for number in range(3):
            answer = await pool.exchange(request(b"%d" % number))
            assert isinstance(answer, Reply)
            await service.peers[number].until_closed()
        assert len(service.peers) == 3


@pytest.mark.parametrize("size", [1, 16_384, 500_000])
async def test_a_second_answer_in_a_record_of_its_own_is_nobodys(
    size: int, authority: trustme.CA
) -> None:
    async def talk(peer: Peer) -> None:
        while True:
            asked = await peer.request()
            peer.writer.write(reply(asked.body))
            if peer.number == 0:
                peer.writer.write(reply(b"stray"))

    async with (
        wired(talk, tls=server_context(authority, HOST)) as service,
        pool_of(service, tls=client_context(authority)) as pool,
    ):
        for body in (b"1" * size, b"2" * size, b"3" * size):
            answer = await pool.exchange(request(body))
            assert isinstance(answer, Reply)
            assert answer.body == body
