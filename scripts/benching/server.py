"""The canned server: nginx on loopback that answers every call alike, faster than clients ask."""

from __future__ import annotations

import grp
import gzip
import json
import os
import pwd
import random
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benching.process import BenchError, program, said_by

# Static files do not take POST: nginx says 405, and that becomes the answer. Left to itself it says
# so before it has read the body, which the service never does; `mirror` has it read the body first.
_CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    default_type application/json;
    open_file_cache max=16;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {folder}/cert.pem;
        ssl_certificate_key {folder}/key.pem;
        root {folder};
        location = /body-read {{ internal; return 204; }}
{answers}
        location ~ json$ {{ internal; add_header x-amzn-RequestId $request_id always; }}
        location ~ gzip$ {{ internal; add_header Content-Encoding gzip always; }}
    }}
}}
"""
_ANSWER = """
        location = {place}/recommendations {{
            mirror /body-read;
            alias {folder}/{file};
            error_page 405 =200 /{file};
        }}
"""
_READY_S = 10.0
_PLACES = {25: "", 500: "/p500"}  # of the answers with so many items
LARGE_ITEMS = 50
_METADATA = 10, 6_000  # of each item of a large answer: values, and their letters; 3 MB in all
LARGE_PLACES = {"3 MB": "/large", "3 MB, as gzip": "/compressed"}
_FILES = {"": "25.json", "/p500": "500.json", "/large": "large.json", "/compressed": "large.gzip"}


@dataclass(frozen=True)
class Server:
    """Where the canned answers are."""

    plain_port: int
    tls_port: int
    certificate: Path  # its own trust root
    software: str  # name and version

    def endpoint(self, *, tls: bool, items: int) -> str:
        """Return the endpoint whose /recommendations has so many items."""
        base = (
            f"https://127.0.0.1:{self.tls_port}" if tls else f"http://127.0.0.1:{self.plain_port}"
        )
        return base + _PLACES[items]

    def large_endpoint(self, name: str) -> str:
        """Return the endpoint whose answers have LARGE_ITEMS items and 3 MB; see LARGE_PLACES."""
        return f"https://127.0.0.1:{self.tls_port}{LARGE_PLACES[name]}"


@contextmanager
def canned_server(folder: Path) -> Iterator[Server]:
    """Start nginx in `folder`; yield it when it answers; stop it."""
    nginx = program("nginx", package="nginx-light")
    folder.mkdir()
    _write_answers(folder)
    _make_certificate(folder)
    server = Server(
        *_free_ports(),
        certificate=folder / "cert.pem",
        software=said_by(nginx, "-v").removeprefix("nginx version: "),
    )
    config = folder / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            folder=folder,
            user=_user(),
            plain=server.plain_port,
            tls=server.tls_port,
            answers="".join(
                _ANSWER.format(folder=folder, place=place, file=file)
                for place, file in _FILES.items()
            ),
        )
    )
    log = folder / "stderr.txt"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [nginx, "-p", str(folder), "-c", str(config)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            _wait(server, process, log)
            yield server
        finally:
            process.terminate()


def _write_answers(folder: Path) -> None:
    rng = random.Random(1)  # noqa: S311 - the same answers each time
    for items in _PLACES:
        (folder / f"{items}.json").write_bytes(_answer(_items(rng, items)))
    values, letters = _METADATA
    metadata = {f"column_{number}": f"{number}" * letters for number in range(values)}
    large = _answer([{**each, "metadata": metadata} for each in _items(rng, LARGE_ITEMS)])
    (folder / "large.json").write_bytes(large)
    (folder / "large.gzip").write_bytes(gzip.compress(large))


def _items(rng: random.Random, items: int) -> list[dict[str, Any]]:
    scores = sorted((rng.random() for _ in range(items)), reverse=True)
    total = sum(scores)
    return [
        {"itemId": f"item-{rng.randrange(1_000_000):06}", "score": round(score / total, 7)}
        for score in scores
    ]


def _answer(items: list[dict[str, Any]]) -> bytes:
    answer = {
        "itemList": items,
        "recommendationId": "RID-6b1d9c7e-0c52-4f0e-9d0a-5f1e6a4c2b38-CID-f0a1b2",
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def _make_certificate(folder: Path) -> None:
    openssl = program("openssl", package="openssl")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=bench"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(
            f"openssl made no certificate: {done.stderr[-500:]}", hint="it takes OpenSSL 1.1.1 on"
        )


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _user() -> str:
    """Return the line that lets nginx's worker read what root wrote; only root may change users."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name};"


def _wait(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return when every canned answer comes as it should."""
    until_s = time.monotonic() + _READY_S
    while True:
        try:
            for items in _PLACES:
                for tls in (False, True):
                    _check_answer(server, tls=tls, items=items)
        except (OSError, ValueError) as error:  # urllib's errors are OSErrors
            if process.poll() is not None or time.monotonic() > until_s:
                raise BenchError(
                    f"nginx does not answer as it should: {error}\n{log.read_text()[-1000:]}",
                    hint="try again (a port may have been taken), or see what nginx says",
                ) from None
            time.sleep(0.05)
        else:
            return


def _check_answer(server: Server, *, tls: bool, items: int) -> None:
    context = ssl.create_default_context(cafile=str(server.certificate)) if tls else None
    request = urllib.request.Request(  # noqa: S310 - http and https only
        server.endpoint(tls=tls, items=items) + "/recommendations", data=b"{}", method="POST"
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    with opener.open(request, timeout=5) as answer:
        found = len(json.load(answer)["itemList"])
    if found != items:
        raise ValueError(f"{found} items instead of {items}")
