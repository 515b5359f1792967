"""An HTTP 200 that is no answer is a failed call, on both transports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.services import wired
from unit.transport.messages import answering, reply
from unit.transport.transports import both

from worker.model import Answer, Failure
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation
from worker.transport._answers import answer_of

OTHERS: list[Any] = [
    {},
    {"message": "Forbidden"},
    {"__type": "ThrottlingException", "message": "Rate exceeded"},
    {"itemlist": [{"itemId": "a"}]},
    {"itemList": None},
    {"personalizedRanking": [{"itemId": "a"}], "recommendationId": "R"},
]


async def test_what_is_no_answer_of_the_operation_is_invalid() -> None:
    bodies = [json.dumps(body).encode() for body in OTHERS]
    for body in bodies:
        async with wired(answering(reply(body))) as service, both(service.url) as transports:
            for name, transport in transports.items():
                failure = await transport.call(b'{"userId":"u"}')
                assert isinstance(failure, Failure), (name, body)
                assert (failure.code, failure.http_status) == ("InvalidAnswer", 200), (name, body)


def judged(body: bytes, operation: Operation) -> Answer | Failure:
    return answer_of(body, shape=SHAPES[operation], status=200, request_id=None)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("form", ['{"%s":[]}', '{"x":1, "%s" :\n[{}]}', '{"%s":[}'])
def test_a_list_is_looked_for_and_not_parsed(operation: Operation, form: str) -> None:
    for other in Operation:
        body = (form % SHAPES[other].member).encode()
        assert isinstance(judged(body, operation), Answer) is (other is operation)


@pytest.mark.parametrize(
    "body", [rb'{"item\u004cist":[]}', b'{"recommendationId":"R"}', b' {"recommendationId":"R"}\n']
)
def test_what_the_decoder_takes_is_an_answer(body: bytes) -> None:
    assert judged(body, Operation.GET_RECOMMENDATIONS) == Answer(body, None)
