"""The signatures are botocore's, for whatever may be signed."""

from __future__ import annotations

import calendar
import datetime as dt
from unittest import mock

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from worker.aws.credentials import SigningCredentials
from worker.transport._sigv4 import RequestSigner, RequestTemplate

HOST = "personalize-runtime.example"
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)
PATHS = st.lists(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#"), max_size=9
    )
    | st.sampled_from([".", "..", "", "a b".replace(" ", "%20"), "%C3%BC", "~"]),
    max_size=4,
).map(lambda parts: "/".join(["", *parts, "recommendations"]))
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
DATES = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001 - hypothesis wants them naive; they are UTC


def expected(
    body: bytes, date: dt.datetime, credentials: SigningCredentials, template: RequestTemplate
) -> str:
    """Return botocore's own Authorization header."""
    request = AWSRequest(
        "POST",
        f"https://{HOST}{template.target}",
        headers=dict(template.headers),
        data=body,
    )
    keys = Credentials(credentials.access_key, credentials.secret_key, credentials.token)
    auth = SigV4Auth(keys, template.service, template.region)
    with mock.patch("botocore.auth.get_current_datetime", return_value=date):
        auth.add_auth(request)
    return str(request.headers["Authorization"])


@given(
    body=st.binary(max_size=200),
    date=DATES,
    credentials=st.builds(SigningCredentials, KEYS, KEYS, st.none() | KEYS),
    region=st.from_regex(r"[a-z]{2}-[a-z]{4,9}-[1-9]", fullmatch=True),
    target=PATHS,
    content_type=VALUES,
)
def test_the_signature_is_botocores_own(
    body: bytes,
    date: dt.datetime,
    credentials: SigningCredentials,
    region: str,
    target: str,
    content_type: str,
) -> None:
    template = RequestTemplate(
        target=target,
        headers=(("Host", HOST), ("Content-Type", content_type), ("User-Agent", "a test")),
        signed_names=frozenset({"content-type", "host", "x-amz-date"}),
        region=region,
        service="personalize",
    )
    signer = RequestSigner(template, credentials)
    now_s = calendar.timegm(date.timetuple()) + 0.5
    wanted = expected(body, date, credentials, template)
    assert signer.authorization(body, now_s) == wanted
    head, _, sent = signer.request(body, now_s).partition(b"\r\n\r\n")
    assert f"Authorization: {wanted}".encode() in head.split(b"\r\n")
    assert (head.split(b"\r\n")[0], sent) == (f"POST {target} HTTP/1.1".encode(), body)


TEMPLATE = RequestTemplate(
    target="/recommendations",
    headers=(("Host", HOST),),
    signed_names=frozenset({"host", "x-amz-date"}),
    region="us-east-1",
    service="personalize",
)
MIDNIGHT_S = calendar.timegm((2026, 3, 1, 0, 0, 0))


@given(times=st.lists(st.integers(-3, 3), max_size=8))
def test_what_is_kept_from_one_second_to_the_next_makes_no_difference(times: list[int]) -> None:
    """Over midnight too, where the key changes; and when the clock is set back."""
    credentials = SigningCredentials("AKID", "secret", "token")
    signer = RequestSigner(TEMPLATE, credentials)
    for time in times:
        now_s = float(MIDNIGHT_S + time)
        fresh = RequestSigner(TEMPLATE, credentials)
        assert signer.request(b"{}", now_s) == fresh.request(b"{}", now_s)


@pytest.mark.parametrize("token", ["hidden-token", None])
def test_secrets_are_not_shown(token: str | None) -> None:
    credentials = SigningCredentials("AKID", "hidden-secret", token)
    shown = f"{credentials!r} {RequestSigner(TEMPLATE, credentials)!r}"
    assert "hidden" not in shown
    assert "AKID" in shown
