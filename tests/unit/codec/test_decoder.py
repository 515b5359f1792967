"""A batch parsed whole and its answers one by one come out the same, whatever a server sends."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import json as arrow_json
from unit.codec.decoding import ITEMS, USUAL, answers_of, check, dump, said

from worker.codec._decode_each import decode_each
from worker.codec.decoder import Decoder
from worker.personalize.answer_shape import SHAPES, AnswerShape
from worker.personalize.operations import Operation

ACTIONS = SHAPES[Operation.GET_ACTION_RECOMMENDATIONS]

ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["2020-01-01", "2020-01-01T00:00:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
TEXT = st.text(max_size=8) | st.none()
SCORE = st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.none()
ITEM = st.fixed_dictionaries(
    {"itemId": st.text(max_size=8)},
    optional={
        "score": SCORE,
        "promotionName": TEXT,
        "reason": st.lists(TEXT, max_size=2) | st.none(),
        "metadata": st.dictionaries(st.text(max_size=3), TEXT, max_size=2) | st.none(),
        "new": ANY_JSON,
    },
)
ACTION = st.fixed_dictionaries({"actionId": st.text(max_size=8)}, optional={"score": SCORE})
PLAIN = st.fixed_dictionaries({"itemId": st.text(max_size=8), "score": SCORE})
ITEM_OF_ANY = st.dictionaries(
    st.sampled_from(["itemId", "actionId", "score", "promotionName", "reason", "metadata", "#"]),
    ANY_JSON,
)


def body_of(item: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "recommendationId": TEXT,
            "itemList": st.lists(item, max_size=3) | st.none(),
            "actionList": st.lists(ACTION, max_size=3),
            "unknown": ANY_JSON,
            "#": st.integers(0, 3),
        },
    )


def dumped(value: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return st.builds(
        dump, value, st.sampled_from([None, 1]), st.booleans(), st.sampled_from([":", ": "])
    )


def pairs(keys: list[str], value: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Objects as text, with keys that may come twice."""
    pair = st.builds(lambda key, text: b'"%s":' % key.encode() + text, st.sampled_from(keys), value)
    return st.lists(pair, max_size=4).map(lambda members: b"{" + b",".join(members) + b"}")


DUPLICATES = pairs(
    ["itemList", "recommendationId", "x"],
    pairs(["itemId", "score", "x"], dumped(TEXT | SCORE)).map(lambda item: b"[" + item + b"]")
    | dumped(TEXT),
)
TOKENS = [
    *(bytes([code]) for code in b'{}[]",:\\ \n\r\t\0x1-'),
    *(b"{}", b"null", b"true", b"NaN", b"-Infinity", b"1e400", b"1e-400", b"01", b"// c"),
    *(b'{"a":[', b"{}]}", b'{"#":0}', b'{"#":1}', b'{"#":2}', b'"#":1', b'","', b'"}'),
    *(b'"itemList":', b'"score":', b'"itemId":', b'{"itemList":[{"itemId":"a"}]}'),
    *(b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80", rb'"\ud800"', rb'"\udc00"'),
]
NOISE = st.lists(st.sampled_from(TOKENS), max_size=8).map(b"".join) | st.binary(max_size=20)


def spoil(body: bytes, at: int, noise: bytes, cut: int) -> bytes:
    at %= len(body) + 1
    return body[:at] + noise + body[at + cut :]


SOUND = dumped(body_of(ITEM)) | dumped(body_of(PLAIN))
BODY = (
    SOUND
    | dumped(body_of(ITEM_OF_ANY))
    | dumped(ANY_JSON)
    | DUPLICATES
    | NOISE
    | USUAL
    | st.builds(spoil, SOUND | USUAL, st.integers(0, 500), NOISE, st.integers(0, 4))
)


@given(
    st.lists(
        st.lists(BODY, max_size=4) | st.lists(SOUND, max_size=4) | st.lists(USUAL, max_size=4),
        max_size=4,
    ),
    st.sampled_from([ITEMS, ACTIONS]),
)
@example([[b'{"itemList":[{"itemId":"a","x":1}]}'], [b'{"itemList":[{"itemId":"' + b"\xff"]], ITEMS)
def test_whole_and_one_by_one_agree(batches: list[list[bytes]], shape: AnswerShape) -> None:
    check(batches, shape)


# Together these look like as many sound bodies as they are, to one who only counts.
DECEPTIVE = [
    [b"{}{}"],
    [b"{}{}", b"{}"],
    [b'{}{"#":1}{}', b"{}"],
    [b'{}{"#":2}{}', b'{}{"#":3}{}'],
    [b"{}{}", b'{"a":[', b"{}]}"],
    [b"", b"{}{}"],
    [b"{}{}", b" "],
    [b'{}{"#":1}{}', b""],
    [b'{"a":"', b'{","b":1}', b"{}{}"],
    [b'{"a":"', b'","b":1}', b"{}{}"],
    [b'{"a":[', b',{"#":1}', b"]}"],
    [b'{},"b":{}', b"{}"],
    [b'{"#":1}', b'{"#":0}'],
    [b"null", b"{}"],
    [b"{}\0", b"{}"],
    [b"{}\0{}", b"{}"],
    [b"\xef\xbb\xbf{}", b"{}"],
    [b"{}", b"\xef\xbb\xbf{}"],
    [b'{"x":"\xc3', b'\xa9"}'],
    [b'{"x":"\xff"}', b"{}"],
    [b'{"x":NaN}', b"{}"],
    [b'{"x":[-Infinity]}', b"{}"],
    [b'{"x":1e400}', b"{}"],
    [b'{"x":' + b"9" * 400 + b"}", b"{}"],
    [b'{"itemList":[{"itemId":"a","score":NaN}]}', b"{}"],
    [b'{"itemList":[{"itemId":"a","score":' + b"9" * 400 + b"}]}", b"{}"],
    [b'{"itemList":[null]}', b"{}"],
    [b'{"itemList":[{"itemId":"a"},{"itemId":null}]}', b"{}"],
    *([b'{"x":' + b"[" * deep + b"]" * deep + b"}", b"{}"] for deep in (999, 1023, 1024, 10**6)),
    *([b'{"x":' + b'{"a":' * deep, b"{}"] for deep in (999, 10**6)),
]


@pytest.mark.parametrize("bodies", DECEPTIVE, ids=lambda bodies: repr(bodies)[:40])
def test_no_body_is_taken_for_another(bodies: list[bytes]) -> None:
    sound = b'{"itemList":[{"itemId":"z","score":1}],"recommendationId":"r"}'
    known_unknown = [b'{"new":1,"itemList":[{"itemId":"z","new":[{}]}]}', b"{}"]
    check([[sound, *bodies, sound], bodies, known_unknown, [sound, *bodies], bodies], ITEMS)


def item(**members: Any) -> bytes:
    return json.dumps({"itemList": [{"itemId": "é", **members}, {"itemId": "b"}]}).encode()


@pytest.mark.parametrize(
    "bodies",
    [
        [b'{"recommendationId":"R"}', item(score=0.5)],
        [item(score=1, reason=None, promotionName=None)],
        [item(promotionName="2020-01-01"), item(reason=["why"])],
        [item(new={"deep": [1]}), item(new="text"), b'{"new":[[]],"itemList":[]}'],
        [json.dumps(json.loads(item(score=1)), indent=2).encode()],
        [b'{"itemList":[{"itemId":"' + "é😀".encode() + b'"}]}\r\n'],
        [b'{"itemList":[{"itemId":"a"}],\r"recommendationId":"r"}'] * 3,
    ],
)
def test_sound_answers_are_parsed_whole(bodies: list[bytes]) -> None:
    decoder = Decoder(ITEMS)
    expected = said(decode_each(answers_of(bodies), ITEMS))
    with mock.patch("worker.codec.decoder.decode_each", side_effect=AssertionError("one by one")):
        for _ in range(3):
            assert said(decoder.decode(answers_of(bodies))) == expected


@pytest.mark.parametrize(
    ("members", "parses"),
    [
        ({"score": 1}, [1, 1, 1]),
        ({"reason": ["r"]}, [2, 1, 1]),  # the second is with an eye for all that is known
        ({"new": 1}, [2, 1, 1]),
        ({"new": 1, "reason": ["r"]}, [2, 2, 1]),
        ({"metadata": {}}, [2, 0, 0]),
        ({"new": [[]] * 1000}, [2, 0, 0]),
    ],
)
def test_what_a_batch_held_is_expected_of_the_next(
    members: dict[str, Any], parses: list[int]
) -> None:
    decoder, found = Decoder(ITEMS), []
    for _ in parses:
        with mock.patch(
            "worker.codec.decoder.arrow_json.read_json", wraps=arrow_json.read_json
        ) as parse:
            decoder.decode(answers_of([item(**members)]))
        found.append(parse.call_count)
    assert found == parses


def test_a_member_that_comes_late_is_not_lost() -> None:
    """Whatever the batches before lacked, or held besides."""
    late = [item(promotionName="p"), item(reason=["r"]), item(metadata={"k": "v"}), item(score=1)]
    check([[item(score=1)], [item(new=1)], *([body] for body in late), late], ITEMS)
    check([[item(new=1)], [item(new=1)], *([body] for body in late), late], ITEMS)
    check([[item(new=1)], late], ITEMS)
