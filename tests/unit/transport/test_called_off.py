"""What waits for a connection when a run is stopped is sent back at once; what has left goes on."""

from __future__ import annotations

import asyncio
import socket
from contextlib import closing
from typing import Literal

import pytest
from support.services import HOST, TIMEOUT_S, Peer, deaf_address, wired
from unit.transport.messages import BODY, reply
from unit.transport.transports import opened

from worker.model import Answer
from worker.transport.base import SENT_BACK

pytestmark = pytest.mark.parametrize("wanted", ["wire", "sdk"])
Wanted = Literal["wire", "sdk"]


async def test_a_call_that_waits_for_a_connection_is_sent_back(wanted: Wanted) -> None:
    with deaf_address() as (host, port):
        async with opened(f"http://{host}:{port}", wanted, timeout_s=600.0) as transport:
            call = asyncio.ensure_future(transport.call(b"{}"))
            await asyncio.wait([call], timeout=0.2)  # by then it is connecting; it must not end
            assert not call.done()
            transport.call_off()
            assert await asyncio.wait_for(call, TIMEOUT_S) is SENT_BACK
            assert await asyncio.wait_for(transport.call(b"{}"), TIMEOUT_S) is SENT_BACK


async def test_a_call_in_its_tls_handshake_is_sent_back(wanted: Wanted) -> None:
    with closing(socket.create_server((HOST, 0))) as listener:  # the kernel accepts; nobody reads
        url = f"https://{HOST}:{listener.getsockname()[1]}"
        async with opened(url, wanted, timeout_s=600.0) as transport:
            call = asyncio.ensure_future(transport.call(b"{}"))
            with closing((await asyncio.to_thread(listener.accept))[0]) as accepted:
                assert await asyncio.to_thread(accepted.recv, 1)  # its first word has come
                transport.call_off()
                assert await asyncio.wait_for(call, TIMEOUT_S) is SENT_BACK


async def test_a_call_that_has_left_gets_its_answer(wanted: Wanted) -> None:
    asked, said = asyncio.Event(), asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await said.wait()
        await peer.send(reply(BODY))

    async with wired(talk) as service:
        url = f"http://{service.host}:{service.port}"
        async with opened(url, wanted, timeout_s=600.0) as transport:
            call = asyncio.ensure_future(transport.call(b"{}"))
            await asyncio.wait_for(asked.wait(), TIMEOUT_S)
            transport.call_off()
            said.set()
            assert isinstance(await asyncio.wait_for(call, TIMEOUT_S), Answer)
