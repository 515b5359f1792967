"""Decoded answers against `json.loads`, on all paths: a form of the API's that we did not write."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from unit.codec.decoding import ITEMS, USUAL, answers_of
from unit.codec.test_decoder import BODY, DECEPTIVE, SOUND

from worker.codec._decode_each import decode_each
from worker.codec.decoded import Decoded
from worker.codec.decoder import Decoder
from worker.input.sizes import cut

BRACKETS_MAX = 900
HEAD = b'{"itemList":[{"itemId":"a","score":1}],"recommendationId":"r"'


def no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def check(value: Any) -> None:
    """Raise ValueError for a string or a number that is none to orjson."""
    if isinstance(value, str):
        value.encode()  # lone surrogates
    elif isinstance(value, list):
        for inner in value:
            check(inner)
    elif isinstance(value, int | float) and not math.isfinite(float(value)):
        raise ValueError("beyond a double's range")


def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Look at every member, also where one of the same name follows; the last one counts."""
    for key, value in pairs:
        check(key)
        check(value)
    return dict(pairs)


def load(body: bytes) -> Any:
    """`json.loads`, less what it takes and JSON has not."""
    value = json.loads(body.decode(), parse_constant=no_constant, object_pairs_hook=members)
    check(value)
    return value


def is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def is_map(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(map(is_text, value.values())))


def is_list(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(is_text, value)))


def item_of(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("itemId"), str):
        raise TypeError("no item")
    score, metadata = value.get("score"), value.get("metadata")
    if isinstance(score, bool) or not isinstance(score, int | float | None):
        raise TypeError("no score")
    sound = is_text(value.get("promotionName")) and is_list(value.get("reason"))
    if not sound or not is_map(metadata):
        raise TypeError("no item's member")
    return {
        "item_id": value["itemId"],
        "score": None if score is None else float(score),
        "promotion_name": value.get("promotionName"),
        "reason": value.get("reason"),
        "metadata": None if metadata is None else [*metadata.items()],
    }


def of_another(value: dict[str, Any]) -> bool:
    """Whether it has another operation's list, or what errors have."""
    told = {name.lower() for name, member in value.items() if member is not None}
    return not told.isdisjoint({"personalizedranking", "actionlist", "__type", "code", "message"})


def expected(body: bytes) -> tuple[Any, Any] | None:
    """The recommendationId and the items; None for what is no answer."""
    try:
        value = load(body)
        if not isinstance(value, dict) or not is_text(value.get("recommendationId")):
            return None
        listed = value.get("itemList")
        if not isinstance(listed, list | None):
            return None
        if listed is None and (not value.get("recommendationId") or of_another(value)):
            return None
        return value.get("recommendationId"), [item_of(each) for each in listed or []]
    except (
        ValueError,
        TypeError,
        OverflowError,
    ):  # json's errors and UnicodeErrors are ValueErrors
        return None


def found(decoded: Decoded, answers: int) -> list[tuple[Any, Any] | None]:
    decoded.lists.validate(full=True)
    rows: list[tuple[Any, Any] | None] = [None] * answers
    columns = decoded.recommendation_ids.to_pylist(), decoded.lists.to_pylist()
    for position, *row in zip(decoded.positions, *columns, strict=True):
        rows[position] = (row[0], row[1])
    assert sorted(decoded.failures) == [n for n, row in enumerate(rows) if row is None]
    return rows


def is_told(body: bytes) -> bool:
    """Whether the model can say what is right: neither Python's stack nor orjson ends before."""
    return body.count(b"[") + body.count(b"{") <= BRACKETS_MAX


MEMBERS = [
    *(b'"itemList":null', b'"itemList":[]', b'"itemList":[{"itemId":"b"}]', b'"itemList":{}'),
    *(b'"recommendationId":null', b'"recommendationId":"\\u00e9"', b'"recommendationId":1'),
    *(b'"recommendationId":""', b'"actionList":[]', b'"actionList":null', b'"Message":"no"'),
    *(b'"personalizedRanking":[{}]', b'"__type":"x"', b'"code":null'),
    *(b'"new":' + b"[" * 200 + b"]" * 200, b'"new":NaN', b'"new":-Infinity', b'"new":1e999'),
    *(b'"new":123456789012345678901234567890', b'"itemList":[{"itemId":"b","score":1e999}]'),
    *(b'"itemList":[{"itemId":"b","score":%d}]' % n for n in (2**53 + 1, -(2**63), 2**64 + 1)),
    *(b'"itemList":[{"itemId":"b","itemId":"c"}]', b'"itemList":[{"itemId":"b","itemId":null}]'),
    *(b'"itemList":[{"itemId":"\\ud800"}]', b'"itemList":[{"itemId":"\\ud83d\\ude00"}]'),
    *(b'"itemList":[{"itemId":"b","score":NaN}]', b'"itemList":[{"itemId":"\\u0000\\"\\/"}]'),
    *(b'"itemList":[{"itemId":"b","metadata":{"k":"1","k":"2"}}]', b'"\\u0069temList":[]'),
    *(b'"itemList":[{"itemId":"b","reason":["x",null]}]', b'"new":"\xed\xa0\x80"', b'"new":"\x01"'),
]
EDGES = st.lists(st.sampled_from(MEMBERS), max_size=3).map(
    lambda members: b",".join([HEAD, *members]) + b"}"
) | st.lists(st.sampled_from(MEMBERS), max_size=3).map(lambda more: b"{" + b",".join(more) + b"}")
BODIES = (EDGES | BODY | SOUND | USUAL).filter(is_told)


@given(st.lists(st.lists(BODIES, max_size=5), max_size=4))
@example([[b'{"itemList":[{"itemId":"a","score":-0}]}', b"\xef\xbb\xbf{}", b" {} "]])
def test_answers_are_what_json_says_on_all_paths(batches: list[list[bytes]]) -> None:
    """Also: no answer has a part in another's, of its batch or of one before."""
    decoder = Decoder(ITEMS)
    for bodies in batches:
        wanted = [expected(body) for body in bodies]
        answers = answers_of(bodies)
        assert found(decoder.decode(answers), len(bodies)) == wanted
        assert found(decode_each(answers, ITEMS), len(bodies)) == wanted


@pytest.mark.parametrize("bodies", DECEPTIVE, ids=lambda bodies: repr(bodies)[:40])
def test_bodies_that_deceive_are_what_json_says(bodies: list[bytes]) -> None:
    told = [body for body in bodies if is_told(body)]
    decoder = Decoder(ITEMS)
    for batch in (told, [HEAD + b"}", *told, HEAD + b"}"], told):
        wanted = [expected(body) for body in batch]
        assert found(decoder.decode(answers_of(batch)), len(batch)) == wanted


@given(st.lists(BODIES, max_size=8), st.integers(1, 400))
def test_a_batch_that_is_cut_anywhere_comes_out_the_same(bodies: list[bytes], most: int) -> None:
    whole = found(Decoder(ITEMS).decode(answers_of(bodies)), len(bodies))
    decoder, pieces = Decoder(ITEMS), list[tuple[Any, Any] | None]()
    for begin, end in cut(map(len, bodies), most):
        answers = answers_of(bodies[begin:end])
        pieces += found(decoder.decode(answers), end - begin)
    assert pieces == whole
