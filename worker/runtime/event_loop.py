"""uvloop and aiofastnet where they are installed; plain asyncio, slower and no less, where not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

uvloop: Any
aiofastnet: Any
try:
    import uvloop
except ImportError:
    uvloop = None
try:
    import aiofastnet
except ImportError:
    aiofastnet = None

_TLS_RECORD_BYTES = 5 + (1 << 14) + 256  # at most: RFC 8446, 5.2
# What aiofastnet buffers of a connection: with its own 256 KiB each way 64 of them take 32 MiB,
# most of it holes. A usual answer and request fit; larger ones take turns.
_BUFFERS = {
    "ssl_incoming_bio_size": 4 * _TLS_RECORD_BYTES,
    "ssl_outgoing_bio_size": _TLS_RECORD_BYTES,
}


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the fastest event loop there is here."""
    factory: Callable[[], asyncio.AbstractEventLoop] = (
        asyncio.new_event_loop if uvloop is None else uvloop.new_event_loop
    )
    return factory


async def connect(
    protocol: asyncio.Protocol, address: tuple[str, int], *, tls: ssl.SSLContext | None, host: str
) -> None:
    """Connect `protocol` to `address`; with `tls` the certificate is for `host`.

    Raises OSError (ssl.SSLError is one) when there is no connection. Cancelled at the last moment,
    aiofastnet leaves a TLS connection half open: whoever gets an exception ends the transport, if
    `protocol` has one already.
    """
    loop = asyncio.get_running_loop()
    name = host if tls else None
    create: Callable[..., Awaitable[Any]] = loop.create_connection
    if aiofastnet is not None:
        create = partial(aiofastnet.create_connection, loop, **(_BUFFERS if tls else {}))
    await create(lambda: protocol, *address, ssl=tls, server_hostname=name)
