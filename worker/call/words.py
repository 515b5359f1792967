"""What a service says about a failure, without what it must not tell on. Pure.

A service may answer with what it was sent: AWS's SignatureDoesNotMatch has the canonical request in
its message, the session token included. Messages go to the log and to `_errors/`.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from worker.printable import printable

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
)
_PLAIN_ID = re.compile(r"[0-9a-f-]{1,48}")  # as AWS makes them (UUIDs): too short for a signature
_TOKEN = re.compile(r"[\w+/=|~-]{100,}")  # or a long path, so it is hidden in others' words only


def said(text: str, *, chars_max: int = MESSAGE_CHARS_MAX) -> str:
    """Return what a service said: one line of bounded length, no secret, nothing to obey."""
    text = _TOKEN.sub(HIDDEN, without_secrets(text[: 16 * chars_max]))
    text = printable(text).strip()
    return text if len(text) <= chars_max else text[: chars_max - 3] + "..."


def said_id(text: str) -> str:
    """Return a request's ID, with which every answer comes, as `said` does."""
    return text if _PLAIN_ID.fullmatch(text) else said(text, chars_max=CODE_CHARS_MAX)


def without_secrets(text: str) -> str:
    """Return `text` without what may sign requests, or has signed one."""
    text = _ECHO.sub("", text)
    for secret in _SECRETS:
        text = secret.sub(HIDDEN, text)
    return text


def hinted_s(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds a failure's headers ask to wait; None when they do not say.

    `headers` has lower-case names. What is no number or date, or not in the future, is ignored.
    Sources: `x-amz-retry-after` in milliseconds (AWS SDKs and Tools Reference Guide, "Retry
    behavior"); `Retry-After` in seconds or as a date (RFC 9110, 10.2.3), which is held against the
    answer's own Date, so that clocks need not agree.
    """
    own, common = headers.get("x-amz-retry-after", ""), headers.get("retry-after", "")
    seconds: float | None = None
    if _is_number(own):
        seconds = int(own) / 1000
    elif _is_number(common):
        seconds = float(int(common))
    elif common and (at := _date(common)) and (now := _date(headers.get("date", ""))):
        seconds = (at - now).total_seconds()
    return seconds if seconds and seconds > 0.0 else None


def _is_number(text: str) -> bool:
    """Whether it is digits alone, and few enough to be meant."""
    return 0 < len(text) <= 12 and text.isascii() and text.isdigit()


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text[:64])
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo is not None else None
