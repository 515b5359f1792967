"""uvloop and aiofastnet where they are installed; plain asyncio, slower and no less, where not."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

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

_Protocol = TypeVar("_Protocol", bound=asyncio.Protocol)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the fastest event loop there is here."""
    factory: Callable[[], asyncio.AbstractEventLoop] = (
        asyncio.new_event_loop if uvloop is None else uvloop.new_event_loop
    )
    return factory


async def create_connection(
    protocol: Callable[[], _Protocol],
    address: tuple[str, int],
    *,
    tls: ssl.SSLContext | None,
    host: str,
) -> _Protocol:
    """Connect to `address` and return the protocol; with `tls` the certificate is for `host`.

    Raises OSError (ssl.SSLError is one) when there is no connection.
    """
    loop = asyncio.get_running_loop()
    name = host if tls else None
    if aiofastnet is None:
        _, made = await loop.create_connection(protocol, *address, ssl=tls, server_hostname=name)
    else:
        _, made = await aiofastnet.create_connection(
            loop, protocol, *address, ssl=tls, server_hostname=name
        )
    return made
