"""Answers as bytes, and what becomes of them, together and one by one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from worker.codec._decode_each import decode_each
from worker.codec.decoded import Decoded
from worker.codec.decoder import Decoder
from worker.model import Answer
from worker.personalize.answer_shape import SHAPES, AnswerShape
from worker.personalize.operations import Operation

ITEMS = SHAPES[Operation.GET_RECOMMENDATIONS]


def dump(body: Any, indent: int | None, ascii_only: bool, colon: str) -> bytes:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii_only, separators=(",", colon))
    return text.encode(errors="surrogatepass")


USUAL_ID = st.text("aé😀 ,;{[-\x7f", max_size=8)
USUAL_SCORE = st.floats(allow_nan=False, allow_infinity=False) | st.integers()
USUAL = st.builds(
    lambda items, rid: dump(
        {
            "itemList": [{"itemId": name, "score": score} for name, score in items],
            "recommendationId": rid,
        },
        None,
        ascii_only=False,
        colon=":",
    ),
    st.lists(st.tuples(USUAL_ID, USUAL_SCORE), max_size=3),
    USUAL_ID,
)


def answers_of(bodies: list[bytes]) -> list[Answer]:
    return [Answer(body, str(position)) for position, body in enumerate(bodies)]


def said(decoded: Decoded) -> tuple[Any, ...]:
    decoded.lists.validate(full=True)
    decoded.recommendation_ids.validate(full=True)
    return (
        decoded.positions,
        decoded.recommendation_ids.to_pylist(),
        decoded.lists.to_pylist(),
        decoded.failures,
    )


def check(batches: list[list[bytes]], shape: AnswerShape) -> None:
    decoder = Decoder(shape)
    for bodies in batches:
        answers = answers_of(bodies)
        together = decoder.decode(answers)
        assert said(together) == said(decode_each(answers, shape))
        alone = [decode_each([answer], shape) for answer in answers]
        assert together.positions == [n for n, one in enumerate(alone) if one.positions]
        assert together.lists.to_pylist() == [
            entries for one in alone for entries in one.lists.to_pylist()
        ]
