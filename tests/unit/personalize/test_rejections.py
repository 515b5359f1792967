"""When calls that are rejected are judged together: the service refuses all, or it is another."""

from __future__ import annotations

import pytest

from worker.model import Failure
from worker.personalize.rejections import CALLS_TO_JUDGE, Rejections

WRONG_RECIPE = Failure("InvalidInputException", "wrong recipe", 400)
BARE = Failure("403", "HTTP 403 without a message", 403)
PAGE = Failure("InvalidAnswer", "the answer is not a JSON object", 200)
REDIRECT = Failure("InvalidAnswer", "the endpoint redirects (HTTP 302)", 302)
BARE_400 = Failure("400", "HTTP 400 without a message", 400)


def noted(*failures: Failure) -> Rejections:
    rejections = Rejections()
    for failure in failures:
        rejections.record_failure(failure)
    return rejections


@pytest.mark.parametrize("failure", [WRONG_RECIPE, BARE, PAGE, REDIRECT, BARE_400])
def test_a_hundred_calls_rejected_alike_are_enough_and_fewer_when_they_are_all(
    failure: Failure,
) -> None:
    few = noted(*[failure] * (CALLS_TO_JUDGE - 1))
    assert few.refusal() is None
    assert few.refusal(of=CALLS_TO_JUDGE) is None  # one of them ended in another way
    assert few.refusal(of=CALLS_TO_JUDGE - 1) is not None
    few.record_failure(failure)
    assert few.refusal() is not None


def test_one_call_is_all_of_one_and_none_is_none_of_none() -> None:
    assert noted(PAGE).refusal(of=1) is not None
    assert noted().refusal(of=0) is None


def test_what_is_not_personalize_may_answer_in_many_ways() -> None:
    both = noted(*[BARE, PAGE, REDIRECT, BARE_400] * 25)
    assert "not Personalize: 100 calls" in str(both.refusal())
    assert both.are_of_others


@pytest.mark.parametrize("other", [Failure("InvalidInputException", "bad user", 400), PAGE])
def test_two_reasons_of_which_one_is_the_services_acquit_the_run(other: Failure) -> None:
    rejections = noted(*[WRONG_RECIPE] * CALLS_TO_JUDGE, other, *[WRONG_RECIPE] * CALLS_TO_JUDGE)
    assert rejections.refusal() is None
    assert rejections.refusal(of=rejections.calls) is None
    assert not rejections.are_of_others


@pytest.mark.parametrize(
    "failure",
    [
        Failure("InternalFailure", "oops", 500),
        Failure("ThrottlingException", "slow", 400),
        Failure("TimedOut", "late"),
        Failure("503", "HTTP 503 without a message", 503),
        Failure("InvalidRow", "the SDK refuses it"),
        Failure("NobodyKnowsThisException", "no", 400),
    ],
)
def test_what_passes_or_is_not_known_is_no_rejection(failure: Failure) -> None:
    rejections = noted(*[failure] * CALLS_TO_JUDGE)
    assert rejections.calls == 0
    assert rejections.refusal(of=CALLS_TO_JUDGE) is None


def test_calls_that_all_fail_in_passing_are_a_service_that_does_not_answer() -> None:
    some = noted(Failure("TimedOut", "late"), Failure("503", "HTTP 503 without a message", 503))
    error = some.unanswered(of=2)
    assert error is not None
    assert "503: HTTP 503 without a message" in error.what
    assert "again" in error.hint
    some.record_failure(PAGE)
    assert some.unanswered(of=3) is None
