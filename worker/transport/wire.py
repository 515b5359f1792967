"""Transport `wire`: the SDK's requests over connections of its own, far cheaper.

Where they go, what is in their heads and how they are signed is taken from one request that the
SDK makes when the run starts; it is signed here too, and where the signatures differ, `wire` is
not used. A redirect is a failed call: what is signed for one place is not sent to another (the SDK
would follow it).
"""

from __future__ import annotations

import calendar
import ssl
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from botocore.parsers import create_parser

from worker.aws.credentials import SigningCredentials
from worker.aws.login import Login
from worker.aws.sdk_exceptions import service_failure, untrusted
from worker.aws.session import PreparedRequest
from worker.model import Answer, Failure
from worker.personalize.answer_shape import AnswerShape
from worker.transport._answers import CUT, ERROR_TYPE, is_cut_error, sound_error
from worker.transport._grown import grown
from worker.transport._http1 import Reply
from worker.transport._pool import Pool
from worker.transport._sigv4 import (
    ALGORITHM,
    DATE_FORMAT,
    DATE_HEADER,
    TOKEN_HEADER,
    RequestSigner,
    RequestTemplate,
)
from worker.transport.base import Turn

_PORTS = {"http": 80, "https": 443}
# Of a request, or of an attempt by the SDK; not of all requests of a run.
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "authorization",
        "content-length",
        "host",
        "x-amz-date",
        "x-amz-security-token",
    }
)


class NotWireableError(Exception):
    """Raised when the SDK's requests cannot be made here; says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go."""

    host: str
    port: int
    is_tls: bool


class WireTransport:
    """Calls one operation; every call signs, sends, and reads its answer's head."""

    def __init__(self, pool: Pool, signer: RequestSigner, login: Login, shape: AnswerShape) -> None:
        self._pool = pool
        self._shape = shape
        self._signer = signer
        self._login = login
        self._parser = create_parser("rest-json")

    async def call(self, body: bytes, turn: Turn | None = None) -> Answer | Failure:
        """See Transport.call."""
        keys = self._login.keys
        if keys is not None and keys is not self._signer.credentials:
            self._signer = self._signer.with_credentials(keys)
        request = self._signer.request(body, time.time())
        try:
            reply = await self._pool.exchange(request, turn)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(error) from None
        if isinstance(reply, Failure):
            return reply
        if reply.status >= 300:
            is_cut = reply.ends_with_connection and is_cut_error(
                reply.body, reply.header(ERROR_TYPE)
            )
            return CUT if is_cut else self._failure(reply)
        return await grown(
            reply.body,
            shape=self._shape,
            status=reply.status,
            encoding=reply.header(b"content-encoding"),
            request_id=reply.header(b"x-amzn-requestid"),
            ends_with_connection=reply.ends_with_connection,
            intake=self._pool.intake,
        )

    async def warm_up(self, calls: int) -> None:
        """Open connections for so many calls at a time; none is made."""
        try:
            await self._pool.warm_up(calls)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(error) from None

    def call_off(self) -> None:
        """See ConnectingTransport.call_off."""
        self._pool.call_off()

    async def renew(self, failure: Failure, *, since_s: float) -> Failure | None:
        """See Transport.renew."""
        return await self._login.renew(failure, since_s=since_s)

    def _failure(self, reply: Reply) -> Failure:
        """Return what the SDK would make of an error; a redirect, never followed, is one."""
        body = sound_error(reply.body, encoding=reply.header(b"content-encoding"))
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reply.headers.items()
        }
        answer = {"status_code": reply.status, "headers": headers, "body": body}
        return service_failure(self._parser.parse(answer, None))


def signer_like(
    prepared: PreparedRequest, credentials: SigningCredentials
) -> tuple[Endpoint, RequestSigner]:
    """Return where and how to send what the SDK would send. Pure.

    Raises NotWireableError when that cannot be done here.
    """
    endpoint, template = template_of(prepared)
    signer = RequestSigner(template, credentials)
    try:
        date = time.strptime(prepared.headers[DATE_HEADER], DATE_FORMAT)
        own = signer.authorization(prepared.body, calendar.timegm(date))
    except KeyError as error:
        raise NotWireableError(f"the SDK signs the header {error}, unknown here") from None
    if own != prepared.headers["Authorization"]:
        raise NotWireableError("the SDK signs in a way of its own")
    return endpoint, signer


def template_of(prepared: PreparedRequest) -> tuple[Endpoint, RequestTemplate]:
    """Return what all requests have in common with one that the SDK has signed. Pure.

    Raises NotWireableError when it is signed in another way.
    """
    authorization = prepared.headers.get("Authorization", "")
    algorithm, _, fields = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise NotWireableError(f"the SDK authorizes with {algorithm!r}, not SigV4")
    values = dict(field.split("=", 1) for field in fields.split(", "))
    _, _, region, service, _ = values["Credential"].rsplit("/", 4)
    url = urlsplit(prepared.url)
    if url.query:
        raise NotWireableError("the endpoint has a query")
    host = url.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    port = url.port or _PORTS[url.scheme]
    kept = [
        (name, value)
        for name, value in prepared.headers.items()
        if name.lower() not in _OWN_HEADERS
    ]
    return Endpoint(host, port, url.scheme == "https"), RequestTemplate(
        target=url.path,
        headers=(
            ("Host", shown if port == _PORTS[url.scheme] else f"{shown}:{port}"),
            *kept,
            ("Accept-Encoding", "identity"),
        ),
        signed_names=frozenset(values["SignedHeaders"].split(";")) - {TOKEN_HEADER.lower()},
        region=region,
        service=service,
    )
