"""Messages of a service about a failure, without the secrets in them. Pure.

A service may answer with what it was sent: AWS's SignatureDoesNotMatch has the canonical request in
its message, the session token included. Messages go to the log and to `_errors/`.
"""

from __future__ import annotations

import re

from worker.runtime.text import printable

CODE_CHARS_MAX = 128
MESSAGE_CHARS_MAX = 1000
HIDDEN = "[hidden]"

# All that follows is the request: "The Canonical String for this request should have been ...".
_ECHO = re.compile(r"\s*The (Canonical String|String-to-Sign)\b.*", re.DOTALL)
_SECRETS = (
    re.compile(r"(?i)(?<=x-amz-security-token)['\"]?\s?[:=]\s?['\"]?[^\s,;'\"]+"),
    re.compile(r"(?i)(?<=credential=)[^\s,;'\"]+"),
    re.compile(r"(?i)(?<=signature=)[^\s,;'\"]+"),
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"),  # access key IDs
    re.compile(r"\b[0-9a-fA-F]{64}\b"),  # signatures, and hashes that are signed
    re.compile(r"(?<=://)[^/@\s'\"]+(?=@)"),  # whom a URL is for
    re.compile(r"(?<=Invalid header value ).*"),  # of Python's http.client: a token
)
# Members of what issues credentials, and keys of files and variables, in JSON, XML or plain.
_NAMED = re.compile(
    r"(?i)((?:secret_?access_?key|(?:session|security|access|refresh|id)_?token|client_?secret"
    r"|[\"']token(?=[\"']))[\"']?\s?[:=>]\s?[\"']?)[^\s,;'\"<]+"
)
_PLAIN_ID = re.compile(r"[0-9a-f-]{1,48}")  # as AWS makes them (UUIDs): too short for a signature
_TOKEN = re.compile(r"[\w+/=|~-]{100,}")  # or a long path, so it is hidden in others' words only


def redacted(text: str, *, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """Return a service's message as one line of bounded length, without a secret or a control."""
    text = _TOKEN.sub(HIDDEN, without_secrets(text[: 16 * chars_max]))
    text = printable(text).strip()
    return text if len(text) <= chars_max else text[: chars_max - 3] + "..."


def redacted_id(text: str) -> str:
    """Return a request's ID, with which every answer comes, as `redacted` does."""
    return text if _PLAIN_ID.fullmatch(text) else redacted(text, chars_max=CODE_CHARS_MAX)


def without_secrets(text: str) -> str:
    """Return `text` without what may sign requests, or has signed one."""
    text = _ECHO.sub("", text)
    for secret in _SECRETS:
        text = secret.sub(HIDDEN, text)
    return _NAMED.sub(rf"\1{HIDDEN}", text)
