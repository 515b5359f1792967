"""AWS Signature Version 4 for one kind of request, with everything cached that does not change.

A request's head changes once a second (its date), the signing key once a day; per request there
are two SHA-256 and one HMAC. Pure: the caller brings the time.
Source: AWS General Reference, "Create a signed AWS API request" (header-based, single chunk).
"""

from __future__ import annotations

import hmac
import time
from binascii import hexlify
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import quote

from botocore.utils import normalize_url_path

from worker.aws.credentials import SigningCredentials

ALGORITHM = "AWS4-HMAC-SHA256"
_BLOCK_BYTES = 64  # of SHA-256
DATE_FORMAT = "%Y%m%dT%H%M%SZ"
DATE_HEADER = "X-Amz-Date"
TOKEN_HEADER = "X-Amz-Security-Token"  # noqa: S105 - a header's name


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTemplate:
    """What all POST requests of a run share. `headers` are sent in this order, `Host` first.

    Neither date, token nor signature are among them.
    """

    target: str  # of the request line: the path
    headers: tuple[tuple[str, str], ...]
    signed_names: frozenset[str]  # of headers, in lower case; the token's is added if there is one
    region: str
    service: str  # the signing name


class RequestSigner:
    """Turns JSON bodies into whole HTTP/1.1 requests."""

    def __init__(self, template: RequestTemplate, credentials: SigningCredentials) -> None:
        self._template = template
        self.credentials = credentials
        token = {TOKEN_HEADER.lower()} if credentials.token else set()
        self._signed_names = sorted(template.signed_names | token)
        self._second = -1
        self._day = ""
        self._key = b""
        self._request_head = b""
        # Hashes begun for this second, which each request continues: of the canonical request, and
        # of the two halves of the HMAC (RFC 2104).
        self._canonical = self._inner = self._outer = sha256()

    def request(self, body: bytes, now_s: float) -> bytes:
        """Return the request with `body`, signed for the second in which `now_s` (UTC) lies."""
        if (second := int(now_s)) != self._second:
            self._start_second(second)
        return b"%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
            self._request_head,
            self._signature(body),
            len(body),
            body,
        )

    def with_credentials(self, credentials: SigningCredentials) -> RequestSigner:
        """Return a signer of the same requests with other credentials."""
        return RequestSigner(self._template, credentials)

    def authorization(self, body: bytes, now_s: float) -> str:
        """Return the Authorization header that `request` would send."""
        self._start_second(int(now_s))
        return (self._authorization_head() + self._signature(body)).decode()

    def _signature(self, body: bytes) -> bytes:
        canonical = self._canonical.copy()
        canonical.update(hexlify(sha256(body).digest()))
        inner = self._inner.copy()
        inner.update(hexlify(canonical.digest()))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return hexlify(outer.digest())

    def _start_second(self, second: int) -> None:
        self._second = second
        template = self._template
        date = time.strftime(DATE_FORMAT, time.gmtime(second))
        if (day := date[:8]) != self._day:
            self._key = _signing_key(
                self.credentials.secret_key, day, template.region, template.service
            )
            self._day = day
        headers = [*template.headers, (DATE_HEADER, date)]
        if self.credentials.token:
            headers.append((TOKEN_HEADER, self.credentials.token))
        self._canonical = sha256(_canonical_head(template.target, headers, self._signed_names))
        block = self._key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(bytes(byte ^ 0x36 for byte in block))
        self._inner.update(f"{ALGORITHM}\n{date}\n{self._scope}\n".encode())
        self._outer = sha256(bytes(byte ^ 0x5C for byte in block))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self._request_head = (
            f"POST {template.target} HTTP/1.1\r\n{lines}Authorization: ".encode()
            + self._authorization_head()
        )

    @property
    def _scope(self) -> str:
        return f"{self._day}/{self._template.region}/{self._template.service}/aws4_request"

    def _authorization_head(self) -> bytes:
        return (
            f"{ALGORITHM} Credential={self.credentials.access_key}/{self._scope}, "
            f"SignedHeaders={';'.join(self._signed_names)}, Signature="
        ).encode()


def _canonical_head(target: str, headers: list[tuple[str, str]], signed_names: list[str]) -> bytes:
    """Return the canonical request up to the hash of its body."""
    values = {name.lower(): " ".join(value.split()) for name, value in headers}
    canonical = "".join(f"{name}:{values[name]}\n" for name in signed_names)
    path = quote(normalize_url_path(target), safe="/~")
    return f"POST\n{path}\n\n{canonical}\n{';'.join(signed_names)}\n".encode()


def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
