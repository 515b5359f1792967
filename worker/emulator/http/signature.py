"""Who signed a request: Signature Version 4, verified by botocore's own signer.

A request is signed again, as it came, with the declared secret; the two signatures must be equal.

Codes and statuses are those of the developer guide's "Common errors", as it was rewritten:
AccessDeniedException, ExpiredTokenException, IncompleteSignature and UnrecognizedClientException
(a key that nobody knows, or another session token than the key's) are 403. Its older page alone has
MissingAuthenticationToken, 403, and RequestExpired, 400. Chosen, where it is silent:
InvalidSignatureException is 403, and stands for a wrong secret, a changed request, and a scope of
another region, service or day. The scope must be the emulator's region
and `personalize`. Presigned URLs are not known: a signature in the query is none. host and
x-amz-date must be signed, and every x-amz-* header that is sent, except x-amzn-*. A body hash that
is sent must be the body's; UNSIGNED-PAYLOAD is not taken. A session token is signed, and looked at
where the key is declared with one.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from worker.emulator.conditions.settings import CredentialSettings
from worker.emulator.errors import ServiceFault
from worker.emulator.http.message import Request

SERVICE: Final = "personalize"
"""The signing name of runtime and control plane (botocore models)."""

SKEW_S_MAX: Final = 15 * 60
"""RequestExpired: "more than 15 minutes" from now, before or after ("Common errors")."""

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_AUTHORIZATION: Final = re.compile(
    _ALGORITHM + r"\s+(?:(?:Credential=(?P<credential>[^,\s]+)|SignedHeaders=(?P<headers>[^,\s]+)"
    r"|Signature=(?P<signature>[^,\s]+))(?:\s*,\s*|\s*$)){3}"
)
_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_SCOPE_PARTS: Final = 5


class Signatures:
    """The declared credentials; without any, everybody may do everything."""

    def __init__(
        self,
        credentials: Sequence[CredentialSettings],
        region: str,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._declared = {each.access_key_id: each for each in credentials}
        self._region = region
        self._now = now
        self._started = now()

    def verify(self, request: Request, operation: str) -> None:
        """Raise ServiceFault unless a declared credential signed the request and allows it."""
        if not self._declared:
            return
        header = request.headers.get("authorization")
        if not header:
            raise ServiceFault("MissingAuthenticationToken", 403, "the request is not signed")
        credential, names, received = _parts(header)
        scope = credential.rsplit("/", _SCOPE_PARTS - 1)
        if len(scope) != _SCOPE_PARTS:
            raise _incomplete("Credential must be KEY/DATE/REGION/SERVICE/aws4_request")
        declared = self._declared.get(scope[0])
        if declared is None:
            raise _unrecognized("the access key ID is not known here")
        date = self._date(request)
        wanted = [date[:8], self._region, SERVICE, "aws4_request"]
        if scope[1:] != wanted:
            raise _invalid(f"the credential's scope must be {'/'.join(wanted)}")
        _check_signed_headers(request, names)
        if not hmac.compare_digest(
            self._signature(declared, request, names, date).encode(), received.encode()
        ):
            raise _invalid("the signature is not that of this request and the access key's secret")
        self._check_token(declared, request)
        if declared.allow is not None and operation not in declared.allow:
            text = f"{declared.access_key_id} is not allowed personalize:{operation}"
            raise ServiceFault("AccessDeniedException", 403, text)

    def _check_token(self, declared: CredentialSettings, request: Request) -> None:
        """Raise ServiceFault for keys that have expired, or that came without their token."""
        token, sent = declared.session_token, request.headers.get("x-amz-security-token", "")
        if token is not None and not hmac.compare_digest(
            token.get_secret_value().encode(), sent.encode()
        ):
            raise _unrecognized("the session token is not the access key's")
        age_s = (self._now() - self._started).total_seconds()
        if declared.expires_after_s is not None and age_s >= declared.expires_after_s:
            text = "the security token included in the request is expired"
            raise ServiceFault("ExpiredTokenException", 403, text)

    def _date(self, request: Request) -> str:
        date = request.headers.get("x-amz-date", "")
        if not _DATE.fullmatch(date):
            raise _incomplete("the header X-Amz-Date must be there, as YYYYMMDDTHHMMSSZ")
        try:
            signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise _incomplete(f"X-Amz-Date {date} is no date") from error
        if abs((self._now() - signed_at).total_seconds()) > SKEW_S_MAX:
            text = f"X-Amz-Date {date} is more than {SKEW_S_MAX // 60} minutes from now"
            raise ServiceFault("RequestExpired", 400, text)
        return date

    def _signature(
        self, declared: CredentialSettings, request: Request, names: list[str], date: str
    ) -> str:
        secret = declared.secret_access_key.get_secret_value()
        signer = _Signer(Credentials(declared.access_key_id, secret), SERVICE, self._region)
        copy = AWSRequest(
            method=request.method,
            url=f"http://localhost{request.target}",  # the host is signed as a header
            data=request.body,
            headers={name: request.headers[name] for name in names},
        )
        copy.context["timestamp"] = date
        canonical = signer.canonical_request(copy)
        signature: str = signer.signature(signer.string_to_sign(copy, canonical), copy)
        return signature


class _Signer(SigV4Auth):  # type: ignore[misc] # botocore ships no types
    """botocore's signer, which signs the headers that the client chose, its own black list too."""

    def headers_to_sign(self, request: Any) -> Any:
        headers = HTTPHeaders()
        for name, value in request.headers.items():
            headers[name] = value
        return headers


def _parts(header: str) -> tuple[str, list[str], str]:
    if not header.startswith(_ALGORITHM):
        raise _incomplete(f"the header Authorization must begin with {_ALGORITHM}")
    found = _AUTHORIZATION.fullmatch(header)
    if found is None or None in found.groups():
        raise _incomplete("Authorization must have Credential, SignedHeaders and Signature")
    return found["credential"], found["headers"].split(";"), found["signature"]


def _check_signed_headers(request: Request, names: list[str]) -> None:
    absent = [name for name in names if name not in request.headers]
    if absent:
        raise _invalid(f"signed headers are missing: {', '.join(absent)}")
    needed = ["host", *(name for name in request.headers if name.startswith("x-amz-"))]
    unsigned = [name for name in needed if name not in names]
    if unsigned:
        raise _invalid(f"headers must be signed: {', '.join(unsigned)}")
    body_hash = request.headers.get("x-amz-content-sha256")
    if body_hash is not None and body_hash != sha256(request.body).hexdigest():
        raise _invalid("X-Amz-Content-SHA256 is not the body's")


def _incomplete(message: str) -> ServiceFault:
    return ServiceFault("IncompleteSignature", 403, message)


def _unrecognized(message: str) -> ServiceFault:
    return ServiceFault("UnrecognizedClientException", 403, message)


def _invalid(message: str) -> ServiceFault:
    return ServiceFault("InvalidSignatureException", 403, message)
