"""What a service says is shown, but for secrets and what a terminal would obey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.aws.redact import CODE_CHARS_MAX, MESSAGE_CHARS_MAX, redacted, redacted_id
from worker.aws.sdk_exceptions import service_failure
from worker.runtime.text import printable

TOKEN = "IQoJb3JpZ2luX2VjE" + "Az09+/" * 60 + "=="
SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
# After what AWS answers: what the request should have looked like, headers and all.
MISMATCH = f"""The request signature we calculated does not match the signature you provided.

The Canonical String for this request should have been
'POST
/recommendations

host:personalize-runtime.us-east-1.amazonaws.com
x-amz-security-token:{TOKEN}

host;x-amz-date;x-amz-security-token
{SIGNATURE}'

The String-to-Sign should have been
'AWS4-HMAC-SHA256
20261121T030000Z
20261121/us-east-1/personalize/aws4_request
{SIGNATURE}'
"""


def test_a_signature_that_does_not_match_is_told_without_the_request() -> None:
    assert redacted(MISMATCH) == (
        "The request signature we calculated does not match the signature you provided."
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("token X-Amz-Security-Token: abc, ok", "token X-Amz-Security-Token[hidden], ok"),
        ("'x-amz-security-token':'short'", "'x-amz-security-token[hidden]'"),
        ("Credential=AKID/20261121/r/s/t, x", "Credential=[hidden], x"),
        (f"Signature={SIGNATURE}.", "Signature=[hidden]"),
        (f"is {SIGNATURE} not", "is [hidden] not"),
        (f"the token {TOKEN} is expired", "the token [hidden] is expired"),
        ('{"SecretAccessKey": "short", "Expiration": 1}',
         '{"SecretAccessKey": "[hidden]", "Expiration": 1}'),
        ("<SecretAccessKey>short</SecretAccessKey>", "<SecretAccessKey>[hidden]</SecretAccessKey>"),
        ("error: Invalid header value b'short\\n'", "error: Invalid header value [hidden]"),
        ("AWS_SESSION_TOKEN=short; x", "AWS_SESSION_TOKEN=[hidden]; x"),
        ('"Token" : "short"', '"Token" : "[hidden]"'),
        ("the session token is empty, aws_secret_access_key is missing", None),
        ("Token expired: current date/time 1", None),
        ("key ASIAIOSFODNN7EXAMPLE is", "key [hidden] is"),
        ("at http://me:word@host/x", "at http://[hidden]@host/x"),
        ("User: arn:aws:iam::123456789012:user/nightly may not", None),
        ("1 validation error: 'userId' has over 256 characters", None),
        ("a\r\nb\tc\x1b[31md\x07\x9be\u202ef\ud800", r"a  b c\x1b[31md\x07\x9be\u202ef\ud800"),
    ],
)  # fmt: skip
def test_secrets_and_control_characters_are_not_shown(text: str, shown: str | None) -> None:
    assert redacted(text) == (text if shown is None else shown)


@given(st.text(st.characters(exclude_categories=[]), max_size=3000))
def test_what_is_shown_is_one_printable_line_of_bounded_length(text: str) -> None:
    shown = redacted(text)
    assert shown.isprintable()
    assert len(shown) <= MESSAGE_CHARS_MAX
    shown.encode()
    assert printable(text).isprintable()


@given(st.text() | st.from_regex(r"[0-9a-fA-F-]{1,140}", fullmatch=True) | st.uuids().map(str))
def test_an_id_is_shown_as_any_other_word(text: str) -> None:
    assert redacted_id(text) == redacted(text, chars_max=CODE_CHARS_MAX)


def test_every_word_of_a_failure_is_made_fit() -> None:
    failure = service_failure(
        {
            "Error": {"Code": "Oops\x1b[2J" * 50, "Message": MISMATCH},
            "ResponseMetadata": {"HTTPStatusCode": 403, "RequestId": "r\r\nx: y"},
        }
    )
    assert len(failure.code) <= 128
    assert failure.code.isprintable()
    assert TOKEN not in failure.message
    assert failure.request_id == "r  x: y"
