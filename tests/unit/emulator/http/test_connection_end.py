"""How connections end, on real sockets: the last answer arrives, and nobody stays for ever."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import pytest
from unit.emulator.http.sockets import GET, exchange, served

from worker.emulator.conditions.weather import FAIR, Fate
from worker.emulator.http.message import Answer, Request

MIB = 1024 * 1024
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n"


def sent_before_reading(port: int, head: bytes, mebibytes: int) -> bytes:
    """Send all of it without a look at the answers; then return what came."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head)
        for _ in range(mebibytes):
            client.sendall(b"a" * MIB)
        received = b""
        while piece := client.recv(65536):
            received += piece
        return received


@pytest.mark.parametrize(
    ("head", "mebibytes", "status"),
    [
        (POST + b"Expect: 100-continue\r\n" + LENGTH % (50 * MIB), 50, 413),  # does not wait for it
        (POST + LENGTH % (50 * MIB), 50, 413),
        (POST + LENGTH % (100 * MIB), 100, 413),
        (POST + b"X: ", 50, 431),
        (b"nonsense\r\n\r\n", 50, 400),
        (POST + b"Connection: close\r\n\r\n", 50, 200),
    ],
)
async def test_the_last_answer_reaches_a_client_that_sends_on(
    head: bytes, mebibytes: int, status: int
) -> None:
    async with served() as (_, writer, _):
        port = writer.get_extra_info("peername")[1]
        text = await asyncio.to_thread(sent_before_reading, port, head, mebibytes)
    assert text.startswith(b"HTTP/1.1 %d " % status)
    assert text.count(b"HTTP/1.1 ") == 1


async def test_a_client_that_never_stops_sending_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.emulator.http.connection.LINGER_BYTES_MAX", MIB)
    async with served() as (_, writer, connections):
        port = writer.get_extra_info("peername")[1]
        with pytest.raises(ConnectionError):
            await asyncio.to_thread(sent_before_reading, port, b"nonsense\r\n\r\n", 100)
        assert len(connections) == 1


async def test_a_client_that_never_ends_is_left_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.emulator.http.connection.LINGER_S", 0.05)
    async with served() as (reader, writer, connections):
        writer.write(GET)
        await reader.readuntil(b"<GET /a 0>")
        (connection,) = connections
        writer.write(b"nonsense\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        await connection.lost.wait()  # though this end stays open


async def test_nobody_waits_for_a_client_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.emulator.http.connection.LINGER_S", 60)
    async with served() as (reader, writer, connections):
        writer.write(GET.replace(b"Host", b"Connection: close\r\nHost"))
        await reader.read()
        (connection,) = connections
        writer.write_eof()
        await connection.lost.wait()
    async with served() as (reader, writer, connections):
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        writer.write_eof()
        assert (await reader.read()).endswith(b"<GET /slow 0>")
        assert not connections


async def test_after_the_last_answer_no_other_is_begun() -> None:
    asked: list[str] = []

    def closing(request: Request) -> tuple[Answer, Fate, float]:
        asked.append(request.target)
        return Answer(status=200, content=b"{}"), Fate(close=True), 0.01

    async with served(closing) as (reader, writer, _):
        writer.write(GET + GET)
        text = await reader.read()
        writer.write(GET)
        await writer.drain()
        await asyncio.sleep(0)
    assert (asked, text.count(b"HTTP/1.1 200")) == (["/a"], 1)


async def test_half_a_body_is_all_there_is_of_a_cut_answer() -> None:
    def cutting(_request: Request) -> tuple[Answer, Fate, float]:
        return Answer(status=200, content=b"abcd"), Fate(cut=True), 0.0

    async with served(cutting) as (reader, writer, connections):
        writer.write(GET + GET)
        text = await reader.read()
        (connection,) = connections
        writer.write_eof()
        await connection.lost.wait()
    assert b"content-length: 4\r\n" in text
    assert text.endswith(b"\r\n\r\nab")


async def test_a_client_that_reads_no_answers_is_let_go() -> None:
    begun, asked = asyncio.Event(), []

    def long(request: Request) -> tuple[Answer, Fate, float]:
        begun.set()
        asked.append(request.target)
        return Answer(status=200, content=b" " * MIB), FAIR, 0.0

    async with served(long, keep_alive_s=0.2) as (_, writer, connections):
        cast("asyncio.Transport", writer.transport).pause_reading()
        writer.write(GET * 50)
        await begun.wait()
        (connection,) = connections
        await connection.lost.wait()
    assert len(asked) < 50


async def test_a_request_may_be_the_last_one_of_many_that_wait() -> None:
    """Reading pauses while many wait; the end of the connection is seen all the same."""
    text = await exchange(
        b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 200, b"nonsense\r\n\r\n", GET
    )
    assert text.count(b"HTTP/1.1 200") == 201
    assert text.count(b"HTTP/1.1 400") == 1
