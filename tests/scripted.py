"""A service on loopback that answers from a script: for faults and fields the emulator has not.

It knows nothing of the worker's code; it keeps what it was sent.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One HTTP request."""

    number: int  # from 0, in order of arrival
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        """What its JSON says."""
        return dict(json.loads(self.raw))


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `raw` is sent as it is; `drop` closes the connection instead."""

    status: int = 200
    body: dict[str, Any] = field(default_factory=dict)
    raw: bytes | None = None
    error_type: str | None = None
    drop: bool = False
    headers: tuple[tuple[str, str], ...] = ()


Script = Callable[[Received], Reply]


@dataclass
class Service:
    """A running scripted service."""

    url: str
    received: list[Received]
    changed: threading.Condition  # notified of each request

    def wait_for_calls(self, count: int, *, timeout_s: float = 30.0) -> None:
        """Return when so many requests have been received."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= count, timeout_s)

    stop: Callable[[], None]  # before its time: nobody listens any more, and calls are cut off


def items(*names: str, **fields: Any) -> Reply:
    """Return a GetRecommendations answer with these items."""
    listed = [{"itemId": name, **fields} for name in names]
    return Reply(body={"itemList": listed, "recommendationId": f"RID-{'-'.join(names)}"})


def error(code: str, status: int, message: str = "scripted") -> Reply:
    """Return an error in the service's shape."""
    return Reply(status=status, body={"message": message, "__type": code}, error_type=code)


@contextmanager
def serving(script: Script, *, port: int = 0) -> Iterator[Service]:
    """Serve `script` on a loopback port, a free one by default, a thread a connection."""
    received: list[Received] = []
    connections: list[socket.socket] = []
    changed = threading.Condition()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            connections.append(self.request)
            super().setup()

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with changed:
                request = Received(len(received), self.path, dict(self.headers), raw)
                received.append(request)
                changed.notify_all()
            self._send(script(request))

        def do_GET(self) -> None:
            self.do_POST()

        def _send(self, reply: Reply) -> None:
            if reply.drop:
                self.close_connection = True
                return
            body = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("x-amzn-RequestId", "request-1")
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.error_type:
                self.send_header("x-amzn-ErrorType", reply.error_type)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that went away is part of many scripts."""

    with Server(("127.0.0.1", port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        try:
            url = f"http://127.0.0.1:{server.server_address[1]}"
            stop = partial(_stop, server, thread, connections)
            yield Service(url=url, received=received, stop=stop, changed=changed)
        finally:
            server.shutdown()
            thread.join()


def _stop(
    server: ThreadingHTTPServer, thread: threading.Thread, connections: list[socket.socket]
) -> None:
    server.shutdown()
    thread.join()
    server.server_close()
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
