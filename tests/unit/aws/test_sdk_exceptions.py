"""How long a failure's headers ask to wait."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.aws.sdk_exceptions import hinted_s

DATE = "Sat, 21 Nov 2026 03:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"x-amz-retry-after": "1500"}, 1.5),
        ({"x-amz-retry-after": "1500", "retry-after": "7"}, 1.5),
        ({"x-amz-retry-after": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Sat, 21 Nov 2026 03:00:30 GMT", "date": DATE}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 02:00:30 GMT", "date": DATE}, None),
        ({"retry-after": "Sat, 21 Nov 2026 03:00:30 GMT"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 03:00:30", "date": DATE}, None),
        ({"retry-after": "Xyz, 99 Nov 99999 99:00:30 GMT", "date": DATE}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "\u0661\u0662"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "", "x-amz-retry-after": ""}, None),
    ],
)
def test_hints_are_read_and_garbage_is_not(headers: dict[str, str], seconds: float | None) -> None:
    assert hinted_s(headers) == seconds


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_hint_is_too_odd(text: str, date: str) -> None:
    for headers in ({"retry-after": text, "date": date}, {"x-amz-retry-after": text}):
        seconds = hinted_s(headers)
        assert seconds is None or seconds > 0.0
