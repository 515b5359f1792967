"""Mode `start`: how long the help takes, and how long a job takes to its first request."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

from benching.job import Job, users_file, worker_environment
from benching.process import THIS, Checkout, measure
from benching.server import Server

TIMES = 11
QUICK_TIMES = 3
_TIMEOUT_S = 60.0
_ANSWER = b'{"itemList":[{"itemId":"item-000001","score":1.0}],"recommendationId":"RID"}'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the mode's options."""
    parser.add_argument("--transport", help="target.transport (default: the project's)")


def run(options: argparse.Namespace, server: Server, scratch: Path) -> dict[str, Any]:
    """Start each program several times, one after the other; the first time does not count."""
    with arrivals() as (endpoint, arrived):
        job = Job(
            endpoint=endpoint,
            certificate=server.certificate,
            items=1,
            rows=1,
            transport=options.transport,
        )
        measured: dict[str, Callable[[], float]] = {
            "python -c pass": lambda: wall_s(["-c", "pass"], scratch),
            "--help": lambda: wall_s(["-m", "worker", "--help"], scratch),
            "run, to its first request": lambda: first_request_s(job, arrived, scratch),
        }
        times: dict[str, list[float]] = {name: [] for name in measured}
        for number in range(1 + (QUICK_TIMES if options.quick else TIMES)):
            for name, take in measured.items():
                seconds = take()
                if number:
                    times[name].append(seconds)
    return {"seconds": {name: median(each) for name, each in times.items()}, "all": times}


def show(found: dict[str, Any]) -> str:
    """Return the table, in Markdown."""
    times = len(next(iter(found["all"].values())))
    lines = [f"| median of {times} | ms |", "|---|--:|"]
    lines += [f"| {name} | {seconds * 1e3:,.0f} |" for name, seconds in found["seconds"].items()]
    return "\n".join(lines)


def first_request_s(
    job: Job, arrived: list[float], scratch: Path, *, checkout: Checkout = THIS
) -> float:
    """Run the job against `arrivals`; return the seconds from its start to its first request."""
    output, config = scratch / f"out-{time.monotonic_ns()}", scratch / "start.toml"
    config.write_text(job.config(users_file(scratch, job.rows), output))
    arrived.clear()
    begun_s = time.monotonic()  # of the whole machine, so the same to the server's thread
    wall_s(["-m", "worker", "run", str(config)], scratch, checkout=checkout)
    return arrived[0] - begun_s


def wall_s(arguments: Sequence[str], scratch: Path, *, checkout: Checkout = THIS) -> float:
    """Run a checkout's Python; return the seconds that it takes."""
    return measure(
        [str(checkout.python), *arguments],
        scratch=scratch,
        env=worker_environment(scratch),
        timeout_s=_TIMEOUT_S,
        cwd=checkout.folder,
    ).wall_s


@contextmanager
def arrivals() -> Iterator[tuple[str, list[float]]]:
    """Serve on loopback; yield the address, and a list to which each request's arrival is added."""
    arrived: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        """Notes when a request's first line is there, then answers."""

        protocol_version = "HTTP/1.1"

        def parse_request(self) -> bool:
            arrived.append(time.monotonic())
            return super().parse_request()

        def do_POST(self) -> None:  # the library's name
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(_ANSWER)))
            self.end_headers()
            self.wfile.write(_ANSWER)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        """Takes clients that are killed as they come."""

        def handle_error(self, *_: object) -> None:
            """Say nothing."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", arrived
        finally:
            server.shutdown()
            thread.join()
