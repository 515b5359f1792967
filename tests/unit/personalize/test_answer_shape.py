"""Which JSON is an answer of an operation."""

from __future__ import annotations

from typing import Any

import pytest

from worker.personalize.answer_shape import SHAPES, flaw
from worker.personalize.operations import Operation

ITEMS = SHAPES[Operation.GET_RECOMMENDATIONS]


@pytest.mark.parametrize("shape", SHAPES.values())
@pytest.mark.parametrize(
    "rest", [{}, {"recommendationId": "R"}, {"recommendationId": None}, {"message": "new member"}]
)
def test_the_operations_own_list_makes_an_answer(shape: Any, rest: dict[str, Any]) -> None:
    assert flaw({shape.member: [], **rest}, shape) is None


@pytest.mark.parametrize("shape", SHAPES.values())
def test_a_recommendation_id_alone_is_an_answer_without_entries(shape: Any) -> None:
    assert flaw({"recommendationId": "R", "new": 1}, shape) is None
    assert flaw({"recommendationId": "R", shape.member: None}, shape) is None


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ([], "not a JSON object"),
        (None, "not a JSON object"),
        ({}, "neither itemList nor a recommendationId"),
        ({"itemList": None}, "neither"),
        ({"recommendationId": ""}, "neither"),
        ({"message": "Forbidden"}, "neither"),
        ({"__type": "ThrottlingException", "message": "Rate exceeded"}, "neither"),
        ({"Output": {"__type": "UnknownOperationException"}}, "neither"),
        ({"errors": [{"code": 503}]}, "neither"),
        ({"itemlist": [{"itemId": "a"}]}, "neither"),
        ({"itemList": {"itemId": "a"}, "recommendationId": "R"}, "itemList is not a list"),
        ({"personalizedRanking": [], "recommendationId": "R"}, "personalizedRanking instead"),
        ({"recommendationId": "R", "Message": "no"}, "is an error"),
        ({"recommendationId": "R", "__type": "x"}, "is an error"),
        ({"recommendationId": "R", "errorCode": "x"}, "is an error"),
    ],
)
def test_other_json_is_no_answer(body: Any, told: str) -> None:
    assert told in str(flaw(body, ITEMS))
