"""Chance that the seed and the request decide: the same request, the same luck, in any order."""

from __future__ import annotations

from hashlib import blake2b
from random import Random


class Chance:
    """What is random about one request."""

    def __init__(self, seed: int, request: bytes) -> None:
        digest = blake2b(seed.to_bytes(8, "big") + request, digest_size=16).digest()
        self._share = int.from_bytes(digest[:8], "big") * 2.0**-64
        self._rest = int.from_bytes(digest[8:], "big")

    def count(self, expected: float) -> int:
        """Return a whole number next to `expected` which is that much on average."""
        return int(expected + self._share)

    def draw(self) -> Random:
        """Return a generator of more, always from its beginning."""
        return Random(self._rest)  # noqa: S311 - reproducible, not secret
