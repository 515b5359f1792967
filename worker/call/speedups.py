"""uvloop and aiofastnet where they are installed; plain asyncio, slower and no less, where not."""

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
    create: Callable[..., Awaitable[Any]] = (
        loop.create_connection
        if aiofastnet is None
        else partial(aiofastnet.create_connection, loop)
    )
    await create(lambda: protocol, *address, ssl=tls, server_hostname=name)
