"""The server's life: ready, stopping, cancelled, and what can be wrong at its start."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import pytest

from worker.emulator import server
from worker.emulator.api.contract import Contract
from worker.emulator.api.stats import Stats
from worker.emulator.conditions.weather import Weather
from worker.emulator.errors import EmulatorError
from worker.emulator.server import serve
from worker.emulator.settings import EmulatorSettings


@asynccontextmanager
async def running(**values: Any) -> AsyncIterator[tuple[str, anyio.Event]]:
    """Serve inside the test's own event loop; yield the address and the event that stops it."""
    settings = EmulatorSettings.model_validate({"port": 0, **values})
    stop, ready = anyio.Event(), anyio.Event()
    found: list[str] = []

    def on_ready(address: str) -> None:
        found.append(address)
        ready.set()

    async def run() -> None:
        await serve(settings, on_ready=on_ready, stop=stop)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await ready.wait()
        try:
            yield found[0], stop
        finally:
            stop.set()


async def test_it_stops_soon_though_connections_are_open() -> None:
    with anyio.fail_after(10):
        async with running() as (address, stop):
            where = urlsplit(address)
            stream = await anyio.connect_tcp(where.hostname or "", where.port or 0)
            async with stream:
                await stream.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 404")
                half = await anyio.connect_tcp(where.hostname or "", where.port or 0)
                async with half:
                    await half.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
                    started = anyio.current_time()
                    stop.set()
                    with pytest.raises(anyio.EndOfStream):
                        await stream.receive()
    assert anyio.current_time() - started < 3


async def test_it_stops_at_once_while_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    training, trained = threading.Event(), threading.Event()

    def never_done(_settings: EmulatorSettings) -> None:
        training.set()
        trained.wait(timeout=60)

    monkeypatch.setattr(server, "_build", never_done)
    ready: list[str] = []
    stop = anyio.Event()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await serve(EmulatorSettings(port=0), on_ready=ready.append, stop=stop)

            tasks.start_soon(run)
            await anyio.to_thread.run_sync(training.wait)
            stop.set()
    trained.set()
    assert ready == []


async def test_cancelling_it_frees_the_port() -> None:
    addresses: list[str] = []
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:

            def on_ready(address: str) -> None:
                addresses.append(address)
                tasks.cancel_scope.cancel()

            async def run() -> None:
                await serve(EmulatorSettings(port=0), on_ready=on_ready)

            tasks.start_soon(run)
    port = urlsplit(addresses[0]).port or 0
    async with running(port=port) as (address, _):
        assert address == addresses[0]


async def test_a_port_in_use_is_reported_with_advice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(EmulatorError, match=f"127.0.0.1:{port}: Address already") as caught:
            await serve(EmulatorSettings(port=port), on_ready=lambda _: None)
    assert "emulator.port" in caught.value.hint


async def test_an_address_of_another_machine_is_reported_with_advice() -> None:
    with pytest.raises(EmulatorError, match="cannot listen on") as caught:
        await serve(EmulatorSettings(host="192.0.2.1", port=0), on_ready=lambda _: None)
    assert "emulator.host" in caught.value.hint


async def test_data_that_cannot_be_used_are_reported_as_they_are() -> None:
    with pytest.raises(EmulatorError, match=r"absent\.parquet"):
        await serve(
            EmulatorSettings(interactions="absent.parquet", port=0), on_ready=lambda _: None
        )


async def test_listening_beyond_loopback_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="worker.emulator"):
        async with running():
            assert "LOOPBACK" not in caplog.text
        async with running(host="0.0.0.0"):  # noqa: S104 - what the warning is about
            assert "NOT ON LOOPBACK" in caplog.text
            assert "nobody" in caplog.text


def post_nothing(connection: http.client.HTTPConnection) -> tuple[int, str | None, bytes]:
    connection.request("POST", "/recommendations", b"{}")
    response = connection.getresponse()
    return response.status, response.getheader("x-amzn-ErrorType"), response.read()


@pytest.mark.parametrize(
    ("kind", "method"),
    [(Contract, "request"), (Weather, "next"), (Weather, "wait_s"), (Stats, "count")],
)
async def test_a_bug_fails_one_request_and_leaves_a_stack_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type, method: str
) -> None:
    def fail(*_: object) -> None:
        msg = "a bug for this test"
        raise RuntimeError(msg)

    async with running() as (address, _):
        where = urlsplit(address)
        connection = http.client.HTTPConnection(where.hostname or "", where.port or 0, timeout=10)
        with contextlib.closing(connection):
            with monkeypatch.context() as broken:
                broken.setattr(kind, method, fail)
                status, code, content = await anyio.to_thread.run_sync(post_nothing, connection)
            assert (status, code) == (500, "InternalFailure")
            assert b"a bug for" not in content
            assert "a bug for this test" in caplog.text
            client = connection.sock
            status, code, _ = await anyio.to_thread.run_sync(post_nothing, connection)
            assert (status, code) == (400, "InvalidInputException")
            assert connection.sock is client  # the connection lived on


async def test_the_log_tells_how_many_actions_have_a_score(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "actions.csv").write_text("ACTION_ID\na\nb\n")
    lines = [
        f"u{n},a,{kind},{1_700_000_000 + n}" for kind in ("TAKEN", "VIEWED") for n in range(50)
    ]
    done = "\n".join(["USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP", *lines, ""])
    (tmp_path / "done.csv").write_text(done)
    data = {"actions": str(tmp_path / "actions.csv")}
    with caplog.at_level(logging.INFO):
        async with running(**data, action_interactions=str(tmp_path / "done.csv")):
            pass
    assert "1 of 2 actions have enough action interactions for a score" in caplog.text
