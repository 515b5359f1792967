"""Connections to one endpoint: opened when needed, spread over its addresses, used again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from functools import partial
from types import TracebackType
from typing import Self

from worker.model import Failure
from worker.personalize.error_codes import CONNECT_FAILED, TIMED_OUT
from worker.runtime.clock import Clock, Timer
from worker.runtime.event_loop import connect
from worker.runtime.patience import Patience
from worker.transport._http1 import UNSENT, Connection, Reply
from worker.transport._outbox import Outbox
from worker.transport.base import SENT_BACK, Turn
from worker.transport.intake import Intake

# After that a server may close at any moment, and a request that meets this is lost.
IDLE_S_MAX = 15.0
ADDRESSES_S_MAX = 30.0  # how long a name's addresses are believed
DEAD_S = 10.0  # how long an address that refused comes after all others
_SWEEPS_PER_TIMEOUT = 20
_SWEEP_S_MAX = 1.0  # how much longer than IDLE_S_MAX a connection may be idle
_CLOSING_TURNS_MAX = 100

Address = tuple[str, int]


class Pool:
    """Makes HTTP exchanges, each on a connection of its own for as long as it lasts.

    An exchange ends within `timeout_s`, connecting included (or at most a twentieth later). There
    are as many connections as exchanges at the same time, so the caller bounds them. Use it as a
    context manager, inside the event loop.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        timeout_s: float,
        clock: Clock,
        intake: Intake | None = None,
    ) -> None:
        self._host = host
        self._tls = tls
        self._timeout_s = timeout_s
        self._clock = clock
        self._addresses = Addresses(host, port)
        self.intake = intake or Intake()
        self._outbox = Outbox(clock)
        self._connections: set[Connection] = set()
        self._idle: list[Connection] = []  # the one that was used last is at the end
        self._sweeper: Timer | None = None
        self._opening: set[Patience] = set()
        self._is_called_off = self._is_closed = False

    async def __aenter__(self) -> Self:
        self._sweep()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closed = True  # what is being connected has to end, too
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for connection in tuple(self._connections):
            connection.abort()
        for _ in range(_CLOSING_TURNS_MAX):
            if not self._connections:
                break
            await asyncio.sleep(0)  # their ends are callbacks that the loop has yet to run

    async def exchange(self, request: bytes, turn: Turn | None = None) -> Reply | Failure:
        """Send `request` at its turn and return its answer, or the Failure in its place.

        SENT_BACK if the turn does not come. Raises ssl.SSLCertVerificationError when the endpoint's
        certificate is not trusted.
        """
        turn = turn or self._outbox
        while (connection := self._take_idle()) is not None:
            reply = await _end_of(connection, connection.send(request, turn))
            if reply is not UNSENT:
                return reply
        opened = await self._open()
        if isinstance(opened, Failure):
            return opened
        return await _end_of(opened, opened.send(request, turn, is_first=True))

    async def warm_up(self, connections: int) -> None:
        """Open so many, one after the other, for exchanges to come; end at the first that fails.

        Raises ssl.SSLCertVerificationError when the endpoint's certificate is not trusted.
        """
        for _ in range(connections):
            opened = await self._open()
            if isinstance(opened, Failure):
                return  # an exchange will meet it, too, and say so
            opened.since_s = self._clock.now_s()
            self._idle.append(opened)

    def call_off(self) -> None:
        """Connect no more; see ConnectingTransport.call_off."""
        self._is_called_off = True
        for patience in self._opening:
            patience.end()

    def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _open(self) -> Connection | Failure:
        if self._is_called_off:
            return SENT_BACK
        patience = Patience(self._timeout_s, self._clock)
        self._opening.add(patience)
        try:
            async with patience:
                return await self._connect()
        except TimeoutError:
            return self._not_connected()
        except ssl.SSLCertVerificationError:
            raise
        except (OSError, UnicodeError) as error:  # UnicodeError: this can be no host's name
            reason = str(error) or "the connection ended at once"  # in its TLS handshake, say
            message = f"cannot connect to {self._host}: {reason}"
            return Failure(code=CONNECT_FAILED, message=message)
        finally:
            self._opening.discard(patience)

    def _not_connected(self) -> Failure:
        if self._is_called_off:
            return SENT_BACK
        message = f"no connection to {self._host} within {self._timeout_s} s"
        return Failure(code=TIMED_OUT, message=message)

    async def _connect(self) -> Connection:
        """Connect to the best address that takes a connection."""
        addresses = await self._addresses.by_preference()
        failure = OSError("the name has no addresses")
        for address in addresses:
            try:
                # One that does not answer must leave time for the next.
                async with Patience(self._timeout_s / min(2, len(addresses)), self._clock):
                    return await self._connect_to(address)
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:  # TimeoutError is one
                self._addresses.bury(address)
                failure = error
        raise failure

    async def _connect_to(self, address: Address) -> Connection:
        self._addresses.enter(address)
        connection = Connection(
            intake=self.intake,
            clock=self._clock,
            on_free=self._idle.append,
            on_lost=partial(self._lost, address),
        )
        try:
            await connect(connection, address, tls=self._tls, host=self._host)
            if self._is_closed or not connection.is_open:
                raise ConnectionResetError("the connection ended at once")
        except BaseException:  # a cancellation, too: nothing is hidden, it is raised on
            connection.abort()  # it may have been made, and not yet be known here
            self._addresses.leave(address)
            raise
        self._connections.add(connection)
        return connection

    def _lost(self, address: Address, connection: Connection) -> None:
        if connection in self._connections:  # else its end came before it was ever opened
            self._connections.remove(connection)
            self._addresses.leave(address)

    def _sweep(self) -> None:
        """End what has waited too long, for an answer or for a request: one timer for all."""
        now_s = self._clock.now_s()
        used_s = now_s - IDLE_S_MAX
        for connection in self._idle:
            if connection.since_s <= used_s:
                connection.close()
        self._idle[:] = [connection for connection in self._idle if connection.is_open]
        for connection in tuple(self._connections):
            if connection.is_late(now_s, self._timeout_s):
                connection.give_up(TIMED_OUT, f"no whole answer within {self._timeout_s} s")
        wait_s = min(self._timeout_s / _SWEEPS_PER_TIMEOUT, _SWEEP_S_MAX)
        self._sweeper = self._clock.call_at(now_s + wait_s, self._sweep)


async def _end_of(
    connection: Connection, reply: asyncio.Future[Reply | Failure]
) -> Reply | Failure:
    try:
        return await reply
    except asyncio.CancelledError:
        if reply.cancelled():  # else it is whole, and the connection may be another's by now
            connection.abort()
        raise


class Addresses:
    """What the endpoint's name stands for now, and how many connections go to each of them."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._resolving = asyncio.Lock()
        self._resolved_s = -ADDRESSES_S_MAX
        self._addresses: list[Address] = []
        self._connections = Counter[Address]()
        self._buried_s: dict[Address, float] = {}

    async def by_preference(self) -> list[Address]:
        """Return all addresses: those with the fewest connections first, dead ones last.

        Raises OSError when the name has none. Old ones are kept when it cannot be resolved again.
        """
        async with self._resolving:
            if self._loop.time() - self._resolved_s >= ADDRESSES_S_MAX:
                await self._resolve()
        now_s = self._loop.time()
        self._buried_s = {
            each: at_s for each, at_s in self._buried_s.items() if now_s - at_s < DEAD_S
        }
        return sorted(
            self._addresses, key=lambda each: (each in self._buried_s, self._connections[each])
        )

    def enter(self, address: Address) -> None:
        """Count a connection."""
        self._connections[address] += 1

    def leave(self, address: Address) -> None:
        """Count the end of a connection, or of the attempt to make one."""
        self._connections[address] -= 1
        if not self._connections[address]:
            del self._connections[address]

    def bury(self, address: Address) -> None:
        """Note that an address did not take a connection."""
        self._buried_s[address] = self._loop.time()

    async def _resolve(self) -> None:
        try:
            found = await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            if not self._addresses:
                raise
        else:
            self._addresses = list(
                dict.fromkeys((str(each[4][0]), int(each[4][1])) for each in found)
            )
        self._resolved_s = self._loop.time()
