"""Credentials as requests are signed with them, whoever issues them, and when to ask for others.

Pure: who asks is in login.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# Others are asked for so long before these expire, or when half of their time is over.
AHEAD_S_MAX = 900.0
LOOK_AGAIN_S_MIN = 1.0
# After a look that brought nothing, while those there are hold: 5 s, 10 s, 20 s and so on.
_AFTER_FAILURE_S = 5.0
_AFTER_FAILURE_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class SigningCredentials:
    """What a request is signed with."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)
    expires_s: float | None = field(default=None, compare=False)  # by time.time; None: not known

    def hold_at(self, now_s: float) -> bool:
        """Whether they are good at `now_s`, as far as is known here."""
        return self.expires_s is None or now_s < self.expires_s


def flaw(access_key: object, secret_key: object, token: object) -> str | None:
    """Return what is wrong with credentials that no request can be signed with, else None.

    Without a word of what they are. What goes into a header must not end it, or begin another; a
    secret with a newline is one that a file or a variable has given its own.
    """
    if token is None:
        token = "-"  # noqa: S105 - stands for none
    named = {"access key ID": access_key, "secret access key": secret_key, "session token": token}
    for name, value in named.items():
        if not isinstance(value, str):
            return f"the {name} is no text"
        if not value:
            return f"the {name} is empty"
        if any("\ud800" <= letter <= "\udfff" for letter in value):  # bytes that are no UTF-8
            return f"the {name} is no text"
        if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in value):
            return f"the {name} has a control character, such as a newline at its end"
        if value != value.strip():
            return f"the {name} begins or ends with a space"
        if value is not secret_key and (" " in value or not value.isascii()):
            return f"the {name} has characters that no {name} has"
    return None


def look_due_s(*, looked_s: float, expires_s: float | None, failures: int) -> float:
    """Return when to ask for the credentials that follow these; infinity: never, of one's own.

    They were got at `looked_s`, or, after `failures`, last asked for then (by time.time).
    """
    if expires_s is None:
        return math.inf
    if failures:
        wait_s = _AFTER_FAILURE_S * 2.0 ** min(failures - 1, 10)
        return looked_s + min(wait_s, _AFTER_FAILURE_S_MAX)
    left_s = max(0.0, expires_s - looked_s)
    return max(expires_s - min(AHEAD_S_MAX, left_s / 2), looked_s + LOOK_AGAIN_S_MIN)
