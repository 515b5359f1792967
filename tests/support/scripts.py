"""Scripts for a service on loopback: how each request is answered.

For faults and fields the emulator has not.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from support.runs import EVENT_TIMEOUT_S, user_ids
from support.services import Peer, Request, Service, Talk, serving_talk


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `raw` is sent as it is; `drop` closes the connection instead."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    error_type: str | None = None
    drop: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        """Return it as it is sent."""
        body = self.raw if self.raw is not None else json.dumps(self.body).encode()
        headers = [
            ("Date", formatdate(usegmt=True)),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
            ("x-amzn-RequestId", "request-1"),
            *self.headers,
        ]
        if self.error_type:
            headers.append(("x-amzn-ErrorType", self.error_type))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        known = {each.value: each.phrase for each in HTTPStatus}
        return f"HTTP/1.1 {self.status} {known.get(self.status, '')}\r\n{lines}\r\n".encode() + body


Script = Callable[[Request], Reply]


@contextmanager
def serving(
    script: Script, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> Iterator[Service]:
    """Serve a script beside a test that has no event loop; the script may wait."""
    with serving_talk(scripted(script), port=port, tls=tls) as service:
        yield service


def scripted(script: Script) -> Talk:
    """Return a talk that answers each request as the script says, which may wait."""

    async def talk(peer: Peer) -> None:
        while True:
            reply = await _in_thread(script, await peer.request())
            if reply.drop:
                return
            await peer.send(reply.encode())

    return talk


def items(*names: str, **fields: Any) -> Reply:
    """Return a GetRecommendations answer with these items."""
    listed = [{"itemId": name, **fields} for name in names]
    return Reply(body={"itemList": listed, "recommendationId": f"RID-{'-'.join(names)}"})


def error(code: str, status: int, message: str = "scripted") -> Reply:
    """Return an error in the service's shape."""
    return Reply(status=status, body={"message": message, "__type": code}, error_type=code)


def asked_for(request: Request) -> str:
    """Return the user, or else the item, of a request."""
    return str(request.members.get("userId") or request.members["itemId"])


def echo(request: Request) -> Reply:
    """Answer with an item named after the user, and an ID that no other call gets."""
    answer = items(f"item-of-{asked_for(request)}", score=0.5)
    return Reply(body={**answer.body, "recommendationId": f"RID-{request.number}"})


class FirstAttempts:
    """A script that meets the first attempts of each user in `replies` with theirs, then echoes."""

    def __init__(self, replies: Mapping[str, Reply], *, times: int = 1) -> None:
        self._replies = replies
        self._times = times
        self._seen = Counter[str]()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        user = asked_for(request)
        with self._lock:
            self._seen[user] += 1
            fails = self._seen[user] <= self._times
        return self._replies[user] if fails and user in self._replies else echo(request)


class Gate:
    """A script that answers for the first `users` users and holds the others until it is opened.

    Which calls are held does not depend on the order in which they arrive.
    """

    def __init__(self, users: int, *, script: Script = echo) -> None:
        self._users = set(user_ids(users))
        self._script = script
        self._open = threading.Event()
        self._reached = threading.Event()

    def __call__(self, request: Request) -> Reply:
        """Answer one request."""
        if asked_for(request) not in self._users:
            self._reached.set()
            assert self._open.wait(EVENT_TIMEOUT_S)
        return self._script(request)

    def wait_until_reached(self) -> None:
        """Return when a call is being held."""
        assert self._reached.wait(EVENT_TIMEOUT_S)

    def open(self) -> None:
        """Answer those that are held, and let all later calls through."""
        self._open.set()


async def _in_thread(script: Script, request: Request) -> Reply:
    """Ask the script in a thread that nobody waits for at the end: it may wait for ever."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Reply] = loop.create_future()

    def tell(how: Callable[[Any], None], what: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed by now
            loop.call_soon_threadsafe(lambda: None if answer.done() else how(what))

    def run() -> None:
        try:
            reply = script(request)
        except StopIteration as bug:  # which no future takes
            tell(answer.set_exception, RuntimeError(f"the script has no more replies: {bug!r}"))
        except BaseException as bug:  # noqa: BLE001 - raised again below, where pytest sees it
            tell(answer.set_exception, bug)
        else:
            tell(answer.set_result, reply)

    threading.Thread(target=run, daemon=True).start()
    return await answer
