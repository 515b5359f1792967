"""Values of columns as texts: against Python's and numpy's own, never against this program's."""

from __future__ import annotations

import math
import struct
import uuid
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.codec.texts import Text, Unfit, text_column, text_lists, texts


def one(value: Any, kind: pa.DataType) -> Text:
    (text,) = texts(pa.array([value], kind))
    return text


def finite(width: Literal[16, 32, 64]) -> st.SearchStrategy[float]:
    return st.floats(width=width, allow_nan=False, allow_infinity=False)


def assert_plain_and_shortest(value: float, text: Text, numpy_type: Any) -> None:
    assert isinstance(text, str)
    assert set(text) <= set("-.0123456789")
    assert len(text) <= 345
    whole, point, places = text.removeprefix("-").partition(".")
    assert whole == str(int(whole))
    assert not point or places.rstrip("0") == places != ""
    if value == int(value) and abs(value) < 2**53:
        assert text == str(int(value))
    else:
        shortest = np.format_float_scientific(numpy_type(value), unique=True)
        assert Decimal(text) == Decimal(shortest)
        assert numpy_type(text) == numpy_type(value)


@given(st.one_of(finite(64), st.integers(-(10**17), 10**17).map(float)))
def test_a_doubles_text_is_the_shortest_plain_one(value: float) -> None:
    text = one(value, pa.float64())
    assert_plain_and_shortest(value, text, np.float64)
    assert Decimal(str(text)) == Decimal(repr(value))


@given(st.one_of(finite(32), st.integers(-(2**31), 2**31).map(lambda n: float(np.float32(n)))))
def test_a_float32s_text_is_the_shortest_plain_one_of_its_width(value: float) -> None:
    assert_plain_and_shortest(value, one(value, pa.float32()), np.float32)


def test_every_float16s_text_is_the_shortest_plain_one_of_its_width() -> None:
    values = [struct.unpack("<e", struct.pack("<H", bits))[0] for bits in range(1 << 16)]
    sound = [value for value in values if math.isfinite(value)]
    for value, text in zip(sound, texts(pa.array(sound, pa.float16())), strict=True):
        assert_plain_and_shortest(value, text, np.float16)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (34.0, pa.float64(), "34"),
        (-0.0, pa.float64(), "0"),
        (-0.0, pa.float32(), "0"),
        (-0.0, pa.float16(), "0"),
        (19.99, pa.float32(), "19.99"),
        (123456792.0, pa.float32(), "123456792"),
        (1e20, pa.float32(), "1" + 20 * "0"),
        (0.1, pa.float16(), "0.1"),
        (1e-7, pa.float64(), "0.0000001"),
        (1e22, pa.float64(), "1" + 22 * "0"),
        (-1.5e-10, pa.float64(), "-0.00000000015"),
        (5e-324, pa.float64(), "0." + 323 * "0" + "5"),
        (65504.0, pa.float16(), "65504"),
        (Decimal("12.50"), pa.decimal128(10, 2), "12.5"),
        (Decimal("12.00"), pa.decimal128(10, 2), "12"),
        (Decimal("-0.00"), pa.decimal128(10, 2), "0"),
        (Decimal(100), pa.decimal128(38, 0), "100"),
        (Decimal("0.00000001"), pa.decimal128(38, 18), "0.00000001"),
        (Decimal(12345678901234567890123456789012345678), pa.decimal128(38, 0),
         "12345678901234567890123456789012345678"),
        (Decimal(10) ** 75, pa.decimal256(76, 0), "1" + 75 * "0"),
        (Decimal("1.5"), pa.decimal32(5, 2), "1.5"),
        (True, pa.bool_(), "true"),
        (2**64 - 1, pa.uint64(), str(2**64 - 1)),
        (b"caf\xc3\xa9", pa.binary(), "café"),
        (b"u1", pa.large_binary(), "u1"),
        (b"u1", pa.binary_view(), "u1"),
        ("u1", pa.string_view(), "u1"),
        (b"abc", pa.binary(3), "abc"),
        (b"0123456789abcdef", pa.uuid(), "30313233-3435-3637-3839-616263646566"),
        (b"0123456789abcdef", pa.binary(16), "0123456789abcdef"),
        (bytes(16), pa.binary(16), "00000000-0000-0000-0000-000000000000"),
        ("u1", pa.json_(), "u1"),
        ('"u 1"', pa.json_(), "u 1"),
        (' "\\u00e9"', pa.json_(), "é"),
        ("17", pa.json_(), "17"),
        (" 17\n", pa.json_(), "17"),
        ("\ttrue ", pa.json_(), "true"),
        ("null", pa.json_(), None),
        ("nobody", pa.json_(), "nobody"),
        ({"item_id": "i1", "score": 0.5},
         pa.struct([("item_id", pa.string()), ("score", pa.float64())]), "i1"),
        (math.nan, pa.float64(), None),
        (math.nan, pa.float32(), None),
        (math.nan, pa.float16(), None),
        (-math.nan, pa.float16(), None),
        (None, pa.null(), None),
        (None, pa.uuid(), None),
    ],
)  # fmt: skip
def test_a_value_has_one_text(value: Any, kind: pa.DataType, text: str | None) -> None:
    assert one(value, kind) == text
    assert one(None, kind) is None
    assert text_column(pa.array([value], kind)).to_pylist() == [text]


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (math.inf, pa.float64(), "is infinite"),
        (-math.inf, pa.float32(), "is infinite"),
        (math.inf, pa.float16(), "is infinite"),
        (b"\xff\xfe", pa.binary(), "is not UTF-8"),
        (b"\xff" * 16, pa.binary(16), "is not UTF-8"),
        ('{"id": 1}', pa.json_(), "holds a JSON object or list"),
        ("[1]", pa.json_(), "holds a JSON object or list"),
    ],
)
def test_what_has_no_text_says_why(value: Any, kind: pa.DataType, reason: str) -> None:
    assert one(value, kind) == Unfit(reason)
    assert text_column(pa.array([value], kind)).to_pylist() == [None]


def test_strings_that_are_not_utf8_harm_themselves_alone() -> None:
    for kind, binary in ((pa.string(), pa.binary()), (pa.large_string(), pa.large_binary())):
        column = pa.array([b"ok", None, b"\xff"], binary).view(kind)
        assert texts(column) == ["ok", None, Unfit("is not UTF-8")]


@given(st.uuids(allow_nil=False))
def test_a_uuid_of_any_version_is_known_by_its_bits(value: uuid.UUID) -> None:
    for version in range(1, 9):
        number = value.int & ~(0xF << 76) & ~(0b11 << 62) | version << 76 | 0b10 << 62
        known = uuid.UUID(int=number)
        assert one(known.bytes, pa.binary(16)) == str(known)


@given(st.text(st.characters(max_codepoint=127), min_size=16, max_size=16))
def test_sixteen_letters_are_no_uuid(text: str) -> None:
    if text != "\0" * 16:
        assert one(text.encode(), pa.binary(16)) == text


@pytest.mark.parametrize(
    "make",
    [pa.list_, pa.large_list, pa.list_view, pa.large_list_view, lambda kind: pa.list_(kind, 2)],
)
def test_lists_of_every_kind_are_lists_of_texts(make: Any) -> None:
    lists = pa.array([[9.0, 9.0], [1.0, 2.5], None, [math.nan, math.inf]], make(pa.float64()))
    expected = [["1", "2.5"], None, [None, Unfit("is infinite")]]
    assert text_lists(lists[1:]) == expected
    assert text_lists(lists[1:][1:]) == expected[1:]
