"""Answers -> columns; one that is malformed harms no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.codec import _decode_each
from worker.codec.decoder import Decoder
from worker.model import Answer
from worker.personalize.answer_shape import SHAPES, AnswerShape
from worker.personalize.operations import Operation

ITEMS = SHAPES[Operation.GET_RECOMMENDATIONS]
ACTIONS = SHAPES[Operation.GET_ACTION_RECOMMENDATIONS]
NOTHING = {"score": None, "promotion_name": None, "reason": None, "metadata": None}


def answer(body: Any) -> Answer:
    return Answer(body=json.dumps(body).encode(), request_id="r")


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {"item_id": name, **NOTHING, **fields}


def test_every_field_of_an_item_arrives() -> None:
    body = {
        "recommendationId": "RID-1",
        "itemList": [
            {
                "itemId": "a",
                "score": 0.25,
                "promotionName": "spring",
                "reason": ["Promoted item", "Exploration"],
                "metadata": {"TITLE": "A", "YEAR": "1999"},
            },
            {"itemId": "b"},
        ],
    }
    decoded = Decoder(ITEMS).decode([answer(body)])
    assert decoded.recommendation_ids.to_pylist() == ["RID-1"]
    assert decoded.lists.to_pylist() == [
        [
            item(
                "a",
                score=0.25,
                promotion_name="spring",
                reason=["Promoted item", "Exploration"],
                metadata=[("TITLE", "A"), ("YEAR", "1999")],
            ),
            item("b"),
        ]
    ]


def test_a_score_of_zero_and_a_missing_score_stay_apart() -> None:
    body = {"itemList": [{"itemId": "a", "score": 0}, {"itemId": "b"}]}
    (listed,) = Decoder(ITEMS).decode([answer(body)]).lists.to_pylist()
    assert listed is not None
    assert [part["score"] for part in listed] == [0.0, None]


@pytest.mark.parametrize(
    "body",
    [
        {"recommendationId": "R"},
        {"itemList": None, "recommendationId": "R"},
        {"itemList": [], "unknownMember": {"deep": [1]}},
        {"recommendationId": "R", "unknownMember": {"deep": [1]}},
    ],
)
def test_what_the_model_does_not_require_may_be_missing(body: dict[str, Any]) -> None:
    decoded = Decoder(ITEMS).decode([answer(body)])
    assert decoded.lists.to_pylist() == [[]]
    assert decoded.recommendation_ids.to_pylist() == [body.get("recommendationId")]


def test_actions_have_an_id_and_a_score() -> None:
    body = {"actionList": [{"actionId": "x", "score": 0.5}, {"actionId": "y", "new": 1}]}
    assert Decoder(ACTIONS).decode([answer(body)]).lists.to_pylist() == [
        [{"action_id": "x", "score": 0.5}, {"action_id": "y", "score": None}]
    ]


MALFORMED = [
    b"{}",
    b'{"itemList": null, "recommendationId": null}',
    b'{"recommendationId": ""}',
    b'{"message": "Forbidden", "recommendationId": "R"}',
    b'{"actionList": [], "recommendationId": "R"}',
    b'{"data": {"itemList": [{"itemId": "a"}], "recommendationId": "R"}}',
    b"",
    b"not json",
    b"[]",
    b'"text"',
    b"null",
    b'{"itemList": "a"}',
    b'{"itemList": 5}',
    b'{"itemList": [5]}',
    b'{"itemList": ""}',
    b'{"itemList": {}}',
    b'{"itemList": [{}]}',
    b'{"itemList": [null]}',
    b'{"itemList": [{"itemId": null}]}',
    b'{"itemList": [{"itemId": 5}]}',
    b'{"itemList": [{"itemId": "a", "score": "high"}]}',
    b'{"itemList": [{"itemId": "a", "score": true}]}',
    b'{"itemList": [{"itemId": "a", "score": NaN}]}',
    b'{"itemList": [{"itemId": "a", "reason": "why"}]}',
    b'{"itemList": [{"itemId": "a", "reason": [1]}]}',
    b'{"itemList": [{"itemId": "a", "metadata": ["x"]}]}',
    b'{"itemList": [{"itemId": "a", "metadata": {"k": 1}}]}',
    b'{"itemList": [{"itemId": "a"}], "recommendationId": 7}',
    b'{"itemList": [{"itemId": "a"}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_answer_fails_alone(body: bytes) -> None:
    good = answer({"itemList": [{"itemId": "a"}], "recommendationId": "RID"})
    decoded = Decoder(ITEMS).decode([good, Answer(body=body, request_id="bad"), good])
    assert decoded.positions == [0, 2]
    assert decoded.lists.to_pylist() == [[item("a")], [item("a")]]
    assert list(decoded.failures) == [1]
    failure = decoded.failures[1]
    assert (failure.code, failure.http_status, failure.request_id) == ("InvalidAnswer", 200, "bad")


@given(
    st.lists(
        st.lists(
            st.tuples(st.text(max_size=20), st.none() | st.floats(0, 1, allow_nan=False)),
            max_size=5,
        ),
        max_size=8,
    )
)
def test_lists_come_out_as_they_went_in(answers: list[list[tuple[str, float | None]]]) -> None:
    bodies = [
        {
            "itemList": [
                {"itemId": name} if score is None else {"itemId": name, "score": score}
                for name, score in listed
            ]
        }
        for listed in answers
    ]
    decoded = Decoder(ITEMS).decode([answer(body) for body in bodies])
    assert decoded.lists.to_pylist() == [
        [item(name, score=score) for name, score in listed] for listed in answers
    ]


def test_answers_that_cannot_be_read_together_are_read_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As from 2 GiB on, where Arrow's strings come in chunks: the whole is not its halves."""
    whole = _decode_each._columns

    def at_most_three(bodies: list[dict[str, Any]], shape: AnswerShape) -> Any:
        if len(bodies) > 3:
            raise TypeError("Cannot convert pyarrow.lib.ChunkedArray to pyarrow.lib.Array")
        return whole(bodies, shape)

    monkeypatch.setattr(_decode_each, "_columns", at_most_three)
    bodies = [answer({"itemList": [{"itemId": str(number)}]}) for number in range(10)]
    bodies[6] = Answer(b'{"itemList": 5}', "bad")
    decoded = _decode_each.decode_each(bodies, ITEMS)
    assert decoded.positions == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert decoded.lists.to_pylist() == [[item(str(number))] for number in decoded.positions]
    assert [*decoded.failures] == [6]
