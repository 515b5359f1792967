"""What requests can be signed with, and when others are asked for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.aws.credentials import SigningCredentials, flaw, look_due_s

HOURS = 3600.0
# What an HTTP header may hold, without the spaces that would be trimmed.
SOUND = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1)


@given(SOUND, SOUND, st.none() | SOUND)
def test_keys_that_fit_into_a_header_are_good(key: str, secret: str, token: str | None) -> None:
    assert flaw(key, secret, token) is None


@pytest.mark.parametrize(
    "bad", ["", None, 5, "a\n", "a\r\nX: y", "\x00", "a\x7f", " a", "a\t", [], "a\udcff"]
)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_keys_that_would_end_a_header_are_not_and_are_not_repeated(bad: object, at: int) -> None:
    keys: list[object] = ["AKID", "hidden-secret", "hidden-token"]
    keys[at] = bad
    if (at, bad) == (2, None):  # temporary keys alone have a token
        assert flaw(*keys) is None
        return
    reason = flaw(*keys) or ""
    assert ("access key ID", "secret access key", "session token")[at] in reason
    assert "hidden" not in reason


@given(SOUND, st.characters(min_codepoint=0x80) | st.just(" "))
def test_what_no_header_holds_is_in_no_key_or_token(key: str, letter: str) -> None:
    odd = f"a{letter}b"
    assert flaw(odd, key, None) is not None
    assert flaw(key, key, odd) is not None


def test_keys_hold_until_they_expire() -> None:
    keys = SigningCredentials("AKID", "s", None, expires_s=100.0)
    assert keys.hold_at(99.9)
    assert not keys.hold_at(100.0)
    assert SigningCredentials("AKID", "s", None).hold_at(1e12)


@pytest.mark.parametrize(
    ("life_s", "due_s"),
    [
        (12 * HOURS, 12 * HOURS - 900.0),
        (1 * HOURS, 1 * HOURS - 900.0),
        (900.0, 450.0),  # the shortest role there is
        (300.0, 150.0),
        (1.0, 1.0),
        (-5.0, 1.0),
        (None, math.inf),
    ],
)
def test_others_are_asked_for_ahead_of_need(life_s: float | None, due_s: float) -> None:
    expires_s = None if life_s is None else 1000.0 + life_s
    assert look_due_s(looked_s=1000.0, expires_s=expires_s, failures=0) - 1000.0 == due_s


def test_after_a_failure_it_is_tried_again_ever_more_rarely() -> None:
    waits = [look_due_s(looked_s=0.0, expires_s=1.0, failures=count) for count in range(1, 8)]
    assert waits == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    assert look_due_s(looked_s=0.0, expires_s=None, failures=3) == math.inf


@given(st.floats(0, 1e10), st.floats(-1e6, 1e6), st.integers(0, 1000))
def test_looks_never_follow_without_a_pause(at_s: float, life_s: float, failures: int) -> None:
    assert look_due_s(looked_s=at_s, expires_s=at_s + life_s, failures=failures) >= at_s + 0.99
