"""Which columns can be IDs, contexts, filter values and numbers of results."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from worker.codec.accepted_types import check_column_types, check_ids_are_whole, inexact_ids
from worker.config.model import InputColumns
from worker.errors import InputError

ITEMS = pa.struct([("item_id", pa.string()), ("score", pa.float64())])
IDS = [
    pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.binary(16), pa.uuid(),
    pa.json_(), pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(),
    pa.decimal128(38, 0), pa.decimal128(38, 10), pa.decimal256(50, 0),
]  # fmt: skip
LISTS: list[Any] = [
    pa.list_, pa.large_list, pa.list_view, pa.large_list_view, lambda kind: pa.list_(kind, 3),
]  # fmt: skip


def check(columns: dict[str, Any], kind: pa.DataType) -> None:
    schema = pa.schema([("U", pa.string()), ("X", kind)])
    check_column_types(schema, InputColumns.model_validate(columns))


@pytest.mark.parametrize("kind", IDS)
def test_ids_are_texts_uuids_or_numbers(kind: pa.DataType) -> None:
    check({"user_id": "X"}, kind)
    check({"item_id": "X"}, kind)
    for make in LISTS:
        check({"user_id": "U", "item_list": "X"}, make(kind))


def test_a_list_of_results_is_a_list_to_rank() -> None:
    for make in LISTS:
        check({"user_id": "U", "item_list": "X"}, make(ITEMS))


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"user_id": "U", "context": {"K": "X"}}, pa.null()),
        ({"user_id": "U", "context": {"K": "X"}}, pa.bool_()),
        ({"user_id": "U", "context": {"K": "X"}}, pa.decimal128(10, 2)),
        ({"user_id": "U", "filter_values": {"K": "X"}}, pa.decimal128(10, 2)),
        ({"user_id": "U", "filter_values": {"K": "X"}}, pa.list_view(pa.float32())),
        ({"user_id": "U", "filter_values": {"K": "X"}}, pa.null()),
        ({"user_id": "U", "num_results": "X"}, pa.float64()),
        ({"user_id": "U", "num_results": "X"}, pa.decimal128(38, 0)),
        ({"user_id": "U", "num_results": "X"}, pa.null()),
    ],
)
def test_a_column_that_can_be_written_as_text_is_taken(
    columns: dict[str, Any], kind: pa.DataType
) -> None:
    check(columns, kind)


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"user_id": "X"}, pa.bool_()),
        ({"user_id": "X"}, pa.null()),
        ({"user_id": "X"}, pa.struct([("a", pa.int8())])),
        ({"user_id": "X"}, pa.list_(pa.string())),
        ({"user_id": "U", "item_list": "X"}, pa.string()),
        ({"user_id": "U", "item_list": "X"}, pa.list_(pa.bool_())),
        ({"user_id": "U", "item_list": "X"}, pa.list_(pa.struct([("id", pa.string())]))),
        ({"user_id": "U", "num_results": "X"}, pa.string()),
        ({"user_id": "U", "context": {"K": "X"}}, pa.list_(pa.string())),
        ({"user_id": "U", "filter_values": {"K": "X"}}, pa.struct([("a", pa.int8())])),
        ({"user_id": "U", "filter_values": {"K": "X"}}, pa.json_()),
    ],
)
def test_a_column_of_the_wrong_type_is_an_error_before_any_row(
    columns: dict[str, Any], kind: pa.DataType
) -> None:
    with pytest.raises(InputError, match="column 'X' has type") as caught:
        check(columns, kind)
    assert "cast" in caught.value.hint


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32(), pa.time64("us")])
def test_dates_and_times_are_refused_with_what_to_write_instead(kind: pa.DataType) -> None:
    for key in ("context", "filter_values"):
        with pytest.raises(InputError, match="column 'X' has type") as caught:
            check({"user_id": "U", key: {"K": "X"}}, kind)
        assert "epoch(X)" in caught.value.hint


def test_floats_and_decimals_with_places_may_be_no_ids() -> None:
    items = pa.list_(pa.struct([("item_id", pa.decimal128(38, 10))]))
    kinds: dict[str, pa.DataType] = {"U": pa.float32(), "I": pa.decimal128(38, 0), "L": items}
    schema = pa.schema([pa.field(name, kind) for name, kind in kinds.items()])
    columns = InputColumns.model_validate({"user_id": "U", "item_id": "I", "item_list": "L"})
    assert inexact_ids(schema, columns) == ("U", "L")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pa.float64(), 2.0**53 - 1),
        (pa.float64(), -(2.0**53) + 1),
        (pa.float32(), 2.0**24 - 1),
        (pa.float16(), 2047.0),
        (pa.float64(), math.nan),
        (pa.float64(), -0.0),
        (pa.float64(), None),
        (pa.decimal128(38, 10), Decimal("12345678901234567890.00")),
        (pa.decimal128(38, 10), None),
        (pa.decimal32(5, 2), Decimal("1.00")),
    ],
)
def test_whole_numbers_are_ids(kind: pa.DataType, value: object) -> None:
    for column in (pa.array([1, value], kind), pa.array([[1], None, [value]], pa.list_(kind))):
        check_ids_are_whole(pa.record_batch({"X": column}))


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        (pa.float64(), 1.5, "not whole"),
        (pa.float64(), 2.0**53, "9,007,199,254,740,992 or more"),
        (pa.float64(), -(2.0**53), "9,007,199,254,740,992 or more"),
        (pa.float64(), math.inf, "or more"),
        (pa.float32(), 2.0**24, "16,777,216 or more"),
        (pa.float16(), 2048.0, "2,048 or more"),
        (pa.decimal128(38, 10), Decimal("1.5"), "not whole"),
        (pa.decimal256(70, 1), Decimal("1.5"), "not whole"),
    ],
)
def test_other_numbers_are_no_ids(kind: pa.DataType, value: object, says: str) -> None:
    structs = pa.array([[{"item_id": value}]], pa.list_(pa.struct([("item_id", kind)])))
    for column in (pa.array([1, value], kind), pa.array([[1], [value]], pa.list_(kind)), structs):
        with pytest.raises(InputError, match=says) as caught:
            check_ids_are_whole(pa.record_batch({"X": column}))
        assert "CAST(X AS BIGINT)" in caught.value.hint
