"""Answers in the form that the service gives them are cut, not parsed; others are."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.codec.decoding import ITEMS, USUAL, answers_of, check, said

from worker.codec._decode_each import decode_each
from worker.codec.decoder import Decoder
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation


@given(st.lists(USUAL, max_size=5), st.integers(1, 200))
def test_answers_of_the_usual_form_need_no_json_parser(
    bodies: list[bytes], piece_bytes: int
) -> None:
    expected = said(decode_each(answers_of(bodies), ITEMS))
    with (
        mock.patch("worker.codec.decoder._PIECE_BYTES", piece_bytes),
        mock.patch(
            "worker.codec.decoder.arrow_json.read_json", side_effect=AssertionError("as JSON")
        ),
    ):
        assert said(Decoder(ITEMS).decode(answers_of(bodies))) == expected


@pytest.mark.parametrize("operation", Operation)
def test_each_operation_has_its_usual_form(operation: Operation) -> None:
    shape = SHAPES[operation]
    body = '{"%s":[{"%s":"a","score":0.5}],"recommendationId":"r"}'
    bodies = [(body % (shape.member, shape.id_member)).encode()] * 2
    expected = said(decode_each(answers_of(bodies), shape))
    with mock.patch(
        "worker.codec.decoder.arrow_json.read_json", side_effect=AssertionError("as JSON")
    ):
        assert said(Decoder(shape).decode(answers_of(bodies))) == expected


NONE = b'{"itemList":[],"recommendationId":"r"}'


def usual(
    *, name: bytes = b"a", score: bytes = b"1", more: bytes = b"", rid: bytes = b"r"
) -> bytes:
    entry = b'{"itemId":"%s","score":%s%s}' % (name, score, more)
    return b'{"itemList":[%s],"recommendationId":"%s"}' % (entry, rid)


@pytest.mark.parametrize(
    "bodies",
    [
        *([usual(score=score)] for score in (b"01", b".5", b"1.", b"+1", b"1e", b"--1", b"1 ")),
        *([usual(score=score)] for score in (b"1e400", b"-1e400", b"9" * 400, b"NaN", b"", b'"1"')),
        *([usual(score=score)] for score in (b"null", b"1:2", b":1", b"1,2", b"1}", b"\t1")),
        *([usual(name=name)] for name in (b"a:b", b"a}b", b"a]b", rb"\"", rb"\u00e9", b"\xff")),
        *([usual(name=name)] for name in (b"\xed\xa0\x80", b"\0", b"\t", b"\r", b"\n")),
        [usual(name=b'","x":"')],
        *([usual(rid=rid)] for rid in (b"a:b", b"a}b", b"a]b", b'"', b"\xff", b"\n")),
        [usual(more=b',"score":2')],
        [usual(more=b',"itemId":"b"')],
        [usual(more=b"},{" + b'"score":1,"itemId":"b"')],
        [usual() + b"\n" + usual()],
        [NONE + b"\n" + NONE, usual()],
        [usual() + b"\n" + usual(), b""],
        [b"", usual() + b"\n" + usual()],
        [usual() + b"\n", usual()],
        [usual()[:-1], b"}"],
        [usual()[:20], usual()[20:]],
        [NONE],
        [NONE, usual(), NONE],
    ],
    ids=lambda bodies: repr(bodies)[:60],
)  # fmt: skip
def test_what_resembles_the_usual_form_is_read_as_what_it_is(bodies: list[bytes]) -> None:
    check([bodies, [usual(), *bodies], [*bodies, usual()], [usual(), *bodies, usual()]], ITEMS)


def test_batches_beyond_what_the_reader_takes_are_read_as_json() -> None:
    expected = said(decode_each(answers_of([usual()]), ITEMS))
    with (
        mock.patch("worker.codec.decoder._USUAL_BYTES_MAX", 0),
        mock.patch("worker.codec._decode_fast.csv.read_csv", side_effect=AssertionError("cut")),
    ):
        assert said(Decoder(ITEMS).decode(answers_of([usual()]))) == expected


@given(st.lists(USUAL | st.just(b'{"itemList":[]}'), max_size=5), st.integers(1, 200))
def test_a_piece_of_another_form_costs_no_other_piece_its_rows(
    bodies: list[bytes], piece_bytes: int
) -> None:
    with mock.patch("worker.codec.decoder._PIECE_BYTES", piece_bytes):
        check([bodies], ITEMS)
