"""What is shown of a message that is not this program's."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from worker.model import Failure
from worker.personalize.error_codes import redacted_code, redacted_failure, refused
from worker.personalize.words import HIDDEN, shown


@pytest.mark.parametrize(
    "message",
    [
        "The security token included in the request is expired",
        "User is not authorized",
        "Rate exceeded",
        "The recipe does not support this operation",
        "the answer is not a JSON object",
    ],
)
def test_what_has_nothing_to_hide_is_shown_as_it_is(message: str) -> None:
    assert shown(message) == message


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no such user alice1@example.com", f"no such user {HIDDEN}"),
        ('cannot serve {"userId": "alice"}', f'cannot {HIDDEN} {{"userId": {HIDDEN}'),
        ("user alice of arn is not allowed", f"user {HIDDEN} of arn is not allowed"),
        ("The item (i-17) does not exist.", f"The item {HIDDEN} does not exist."),
        ("", ""),
        ("no such user (user:::::)", f"no such user {HIDDEN}"),
        (
            "not authorized on resource: arn:aws:personalize:us-east-1:123456789012:campaign/home",
            "not authorized on resource: arn:aws:personalize:us-east-1:123456789012:campaign/home",
        ),
        ("User: arn:aws:iam::123456789012:user/alice is", f"User: {HIDDEN} is"),
    ],
)
def test_what_may_be_an_id_is_hidden(message: str, told: str) -> None:
    assert shown(message) == told


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (
            Failure("ConnectionLost", "the connection ended in the middle of an answer: "
                    "[Errno 104] Connection reset by peer"),
            ("ConnectionLost: the connection ended in the middle of an answer: "
             "Connection reset by peer"),
        ),
        (
            Failure("InvalidAnswer", "the answer is not HTTP: no line 'alice'", http_status=200),
            f"InvalidAnswer: the answer is not HTTP: no {HIDDEN}",
        ),
        (
            Failure("ConnectFailed", "cannot connect to 127.0.0.1: [Errno 111] refused"),
            "ConnectFailed: cannot connect to 127.0.0.1: [Errno 111] refused",
        ),
        (
            Failure("TimedOut", "for alice", http_status=500),
            f"TimedOut: for {HIDDEN}",
        ),
        (
            Failure("InvalidAnswer", "alice: alice", http_status=400),
            f"InvalidAnswer: {HIDDEN}",
        ),
    ],
)  # fmt: skip
def test_words_of_this_program_are_shown_and_those_of_others_behind_them_are_not(
    failure: Failure, told: str
) -> None:
    assert redacted_failure(failure) == told


OWN = "the connection ended: "
IDS = st.text(min_size=4, max_size=40) | st.from_regex(r"\A[A-Za-z0-9._@|:-]{4,40}\Z")
REPEATED = st.sampled_from(
    [
        str,
        str.upper,
        str.swapcase,
        repr,
        json.dumps,
        quote,
        lambda name: f"'{name}'",
        lambda name: f"userId={name};",
        lambda name: f"(user:{name})",
        lambda name: json.dumps({"userId": name}),
        lambda name: name.encode("unicode_escape").decode(),
    ]
)


@example("NONE", str, "no such user {}")
@given(IDS, REPEATED, st.sampled_from(["no such user {}", "{} is not allowed", "x{}y", "{}"]))
def test_an_id_of_any_shape_that_is_repeated_in_any_way_is_not_shown(
    name: str, repeated: object, message: str
) -> None:
    assert callable(repeated)
    as_repeated = repeated(name)
    text = message.format(as_repeated)
    assume(not all(shown(word) == word for word in name.split()))  # words that say nothing
    for failure in (
        Failure("AccessDeniedException", text, 403),
        Failure("403", text, 403),
        Failure("InternalFailure", text, 500),
        Failure("ConnectionLost", f"{OWN}{text}"),
    ):
        for seen in (redacted_failure(failure), refused(failure).what):
            # Before the code are our own words, which may be an ID, too.
            of_message = seen.partition(f"{failure.code}: ")[2].replace(HIDDEN, "").replace(OWN, "")
            for each in (name.strip(), as_repeated.strip()):
                assert each.lower() not in of_message.lower()


@pytest.mark.parametrize("code", ["alice", "u1", "alice@example.com", "123456", "a Exception"])
def test_a_code_that_looks_like_none_is_hidden(code: str) -> None:
    assert redacted_code(code) == HIDDEN


@pytest.mark.parametrize("code", ["503", "InternalFailure", "NewThingException", "ConnectionLost"])
def test_a_code_is_shown(code: str) -> None:
    assert redacted_code(code) == code
