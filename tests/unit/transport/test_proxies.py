"""Proxies of the environment: which requests go through them, and what is said of bad ones."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.services import wired
from unit.transport.messages import SOUND, answering, reply
from unit.transport.transports import ELSEWHERE, transport_of, warnings

from worker.errors import ConfigError
from worker.model import Answer, Failure
from worker.transport._sdk import SdkTransport
from worker.transport.wire import WireTransport

SECRET = "hidden-secret"


async def test_a_proxy_of_the_environment_is_used_by_the_sdk(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "worker")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    async with wired(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", f"http://user:{SECRET}@{proxy.host}:{proxy.port}")
        assert await transport_of(ELSEWHERE) == (SdkTransport, Answer(SOUND, None))
        assert proxy.received[0].line == f"POST {ELSEWHERE}/recommendations HTTP/1.1"
    assert f"the proxy {proxy.host}:{proxy.port}" in warnings(caplog)
    assert SECRET not in warnings(caplog)


@pytest.mark.parametrize("wanted", ["wire", "sdk"])
@pytest.mark.parametrize(
    "proxy",
    ["::::", "http://", "http://[::1", "http://h:99999", "h:port", "socks5://127.0.0.1:1", "h:0",
     f"me:{SECRET}@h:port"],
)  # fmt: skip
async def test_a_proxy_that_is_none_is_told(
    proxy: str, wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConfigError, match="HTTP_PROXY is not an address") as error:
        await transport_of(ELSEWHERE, wanted)
    assert SECRET not in error.value.what


@pytest.mark.parametrize("form", ["http://{}", "//{}", "{}", "http://{}/"])
async def test_a_proxy_may_be_named_as_the_sdk_takes_it(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    async with wired(answering(reply())) as proxy:
        monkeypatch.setenv("http_proxy", form.format(f"{proxy.host}:{proxy.port}"))
        assert await transport_of(ELSEWHERE) == (SdkTransport, Answer(SOUND, None))


async def test_a_proxy_that_does_not_let_through_is_told_by_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
    async with wired(answering(refusal)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.host}:{proxy.port}")
        _, failure = await transport_of(ELSEWHERE.replace("http", "https"))
    assert failure == Failure("407", "the proxy does not connect (HTTP 407)", 407)


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize("value", ["127.0.0.1", "*", "localhost,127.0.0.1"])
async def test_an_endpoint_that_needs_no_proxy_is_reached_without(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", ELSEWHERE)
    monkeypatch.setenv("http_proxy", ELSEWHERE)
    monkeypatch.setenv(name, value)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url) == (WireTransport, Answer(SOUND, None))


@pytest.mark.parametrize(("wanted", "kind"), [("wire", WireTransport), ("sdk", SdkTransport)])
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy"])
async def test_this_machines_loopback_is_reached_without_a_proxy(
    name: str, wanted: str, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, ELSEWHERE)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url, wanted) == (kind, Answer(SOUND, None))


async def test_a_proxy_for_another_scheme_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", ELSEWHERE)
    async with wired(answering(reply())) as service:
        assert await transport_of(service.url) == (WireTransport, Answer(SOUND, None))
