"""Garbage instead of answers: all that can go wrong, and then what a seed makes up.

What a user gets is a function of the seed and the user's number.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Callable
from typing import Any

from support.services import Peer, Talk

Garbage = Callable[[random.Random], bytes | tuple[bytes, bytes]]
"""What is sent, and then closed; or what is sent once and what then again and again."""

LARGE = b"x" * (64 << 10)
ESCAPE = "\x1b]0;owned\x07\x1b[2J\r\nInjected: yes\u202e"


def sound(user: str) -> bytes:
    """Return the answer that a user should get."""
    item = {"itemId": f"item-of-{user}", "score": 0.5}
    return json.dumps({"itemList": [item], "recommendationId": f"RID-{user}"}).encode()


def http(
    body: bytes, *, status: str = "200 OK", headers: str = "", length: int | None = None
) -> bytes:
    """Return a whole answer; `length` may be a lie."""
    told = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: {told}\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + body


def _error(status: str, code: str, message: str) -> bytes:
    body = json.dumps({"__type": code, "message": message}).encode()
    return http(body, status=status)


def _answer(items: str) -> bytes:
    return http(f'{{"itemList":{items},"recommendationId":"RID"}}'.encode())


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BOMB = gzip.compress(b'{"itemList":[' + b" " * (64 << 20) + b"]}")
KINDS: dict[str, Garbage] = {
    "random bytes": lambda rng: rng.randbytes(rng.randrange(1, 3000)),
    "random bytes as a body": lambda rng: http(rng.randbytes(300)),
    "an HTTP/0.9 answer": lambda _: sound("nobody"),
    "a greeting of another protocol": lambda _: b"SSH-2.0-OpenSSH_9.6\r\n",
    "nothing": lambda _: b"",
    "JSON that is cut": lambda rng: http(sound("x")[: rng.randrange(1, 40)]),
    "JSON twice": lambda _: http(sound("x") * 2),
    "duplicate keys": lambda _: http(b'{"itemList":[],"itemList":7,"recommendationId":"R"}'),
    "a huge number": lambda _: _answer('[{"itemId":"i","score":1e999}]'),
    "a number of 10,000 digits": lambda _: _answer(f'[{{"itemId":"i","score":{"9" * 10_000}}}]'),
    "not a number": lambda _: _answer('[{"itemId":"i","score":NaN}]'),
    "infinity": lambda _: _answer('[{"itemId":"i","score":-Infinity}]'),
    "deep nesting": lambda _: _answer("[" * 200_000),
    "deep nesting that ends": lambda _: _answer("[" * 900 + "]" * 900),
    "invalid UTF-8": lambda _: http(b'{"itemList":[{"itemId":"\xff\xfe"}]}'),
    "a lone surrogate": lambda _: _answer(r'[{"itemId":"\ud800"}]'),
    "a mark of the byte order": lambda _: http(b"\xef\xbb\xbf" + sound("x")),
    "UTF-16": lambda _: http(sound("x").decode().encode("utf-16")),
    "an item ID of 10 MiB": lambda _: _answer(f'[{{"itemId":"{"i" * (10 << 20)}","score":"x"}}]'),
    "a body of 17 MiB": lambda _: http(b"{" + b" " * (17 << 20) + b"}"),
    "a million items without IDs": lambda _: _answer("[" + "{}," * 1_000_000 + "{}]"),
    "endless headers": lambda _: (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
    "an endless header": lambda _: (b"HTTP/1.1 200 OK\r\nA: ", LARGE),
    "endless chunks": lambda _: (CHUNKED, b"%x\r\n%b\r\n" % (len(LARGE), LARGE)),
    "an endless body": lambda _: (b"HTTP/1.1 200 OK\r\n\r\n{", LARGE),
    "endless interim answers": lambda _: (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
    "a slow head": lambda _: (b"HTTP/1.1 200 OK\r\nA: ", b"b"),
    "a slow body": lambda _: (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n{", b" "),
    "a length that is too long": lambda _: http(sound("x"), length=9999),
    "a length that is too short": lambda _: http(sound("x"), length=20),
    "a length that is none": lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    "two lengths": lambda _: http(b"{}", headers="Content-Length: 3\r\n"),
    "an answer to nobody behind it": lambda _: http(b"[]") + http(sound("stolen")),
    "a bomb": lambda _: http(BOMB, headers="Content-Encoding: gzip\r\n"),
    "not gzip": lambda _: http(sound("x"), headers="Content-Encoding: gzip\r\n"),
    "an unknown encoding": lambda _: http(sound("x"), headers="Content-Encoding: br\r\n"),
    "a code to obey": lambda _: _error("400 Bad Request", f"Invalid{ESCAPE}", "no"),
    "a message to obey": lambda _: _error("400 Bad Request", "InvalidInputException", ESCAPE),
    "a request ID to obey": lambda _: http(b"[]", headers="x-amzn-RequestId: a\x1b[31mb\r\n"),
    "a request ID of Latin-1": lambda _: http(b"[]", headers="x-amzn-RequestId: a\x9bb\r\n"),
    "a message of a megabyte": lambda _: _error("400 Bad", "InvalidInputException", "m" * 10**6),
    "an error that is a list": lambda _: http(b"[1]", status="400 Bad Request"),
    "a code that is a number": lambda _: http(b'{"__type":5}', status="500 Oops"),
    "a status of 999": lambda _: http(b"{}", status="999 What"),
    "a redirect": lambda _: http(b"", status="302 Found", headers="Location: file:///etc\r\n"),
    "a hint of ages": lambda _: http(b"", status="400 Bad", headers=f"Retry-After: {'9' * 99}\r\n"),
}  # fmt: skip
SLOW = {"a slow head", "a slow body"}
# aiohttp reads these for as long as they come, and leaves no time to other calls.
BEYOND_THE_SDK = {"endless interim answers"}


def mutated(rng: random.Random) -> bytes:
    """Return a sound answer with something else in a place or two."""
    answer: dict[str, Any] = {
        "itemList": [{"itemId": f"i{n}", "score": 0.1 * n} for n in range(3)],
        "recommendationId": "RID",
    }
    for _ in range(rng.randrange(1, 3)):
        odd: list[Any] = [None, True, 0, -1, 2**70, 1.5, "", "x", [], [[]], {}, {"a": {}}, ESCAPE]
        place: Any = rng.choice([answer, answer["itemList"]])
        if isinstance(place, list) and place and rng.random() < 0.7:
            place = rng.choice(place)
        if isinstance(place, dict):
            place[rng.choice([*place, "reason", "metadata", "promotionName", "new"])] = rng.choice(
                odd
            )
        elif isinstance(place, list):
            place.insert(0, rng.choice(odd))
        if not isinstance(answer["itemList"], list):
            break
    body = bytearray(json.dumps(answer).encode())
    if rng.random() < 0.3:
        body[rng.randrange(len(body))] = rng.randrange(256)
    return http(bytes(body))


def garbage_of(user: str, seed: int) -> tuple[str, bytes | tuple[bytes, bytes]]:
    """Return what a user gets: each kind for one user in turn, then made-up ones."""
    number = int(user.removeprefix("u"))
    rng = random.Random(f"{seed} {user}")
    names = list(KINDS)
    if number < len(names):
        return names[number], KINDS[names[number]](rng)
    return "mutated", mutated(rng)


def talking_garbage(is_sound: Callable[[str], bool], *, seed: int, tells_to_close: bool) -> Talk:
    """Return a talk of garbage to whom is not to get a sound answer.

    After garbage a connection ends. aiohttp must be told so, else it sends others' requests there.
    """

    async def talk(peer: Peer) -> None:
        while is_sound(user := str((await peer.request()).members["userId"])):
            await peer.send(http(sound(user)))
        name, what = garbage_of(user, seed)
        first, again = what if isinstance(what, tuple) else (what, b"")
        if tells_to_close and first.startswith(b"HTTP/1.1 "):
            first = first.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        await peer.send(first)
        while again:
            await peer.send(again)
            await asyncio.sleep(0.05 if name in SLOW else 0)  # slowness is the attack

    return talk
