"""Input columns that have the names of this program's own."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.codec import columns
from worker.codec.column_names import CALL_FIELDS, ERROR_FIELDS, error_names, result_names
from worker.personalize.answer_shape import SHAPES
from worker.personalize.operations import Operation

SHAPE = SHAPES[Operation.GET_RECOMMENDATIONS]
OWN = [field.name for field in ERROR_FIELDS]


def schema_of(*names: str) -> pa.Schema:
    return pa.schema([pa.field(name, pa.int64()) for name in names])


@pytest.mark.parametrize("layout", ["nested", "exploded"])
def test_an_input_column_named_like_a_result_is_copied_under_another_name(layout: str) -> None:
    copied = schema_of("USER_ID", "items", "attempts", "input_attempts", "item_id")
    names = columns.results_schema(copied, SHAPE, layout).names
    assert len({*names}) == len(names)
    item_id = "item_id" if layout == "nested" else "input_item_id"
    expected = ["USER_ID", "input_items", "input_input_attempts", "input_attempts", item_id]
    assert names[:5] == expected
    assert names[5:] == columns.results_schema(schema_of(), SHAPE, layout).names


@given(
    st.lists(
        st.builds(
            lambda prefix, name: prefix + name,
            st.sampled_from(["", "input_", "input_input_"]),
            st.sampled_from(["ID", "items", "rank", "score", *(f.name for f in CALL_FIELDS)]),
        ),
        unique=True,
    ),
    st.sampled_from(["nested", "exploded"]),
)
def test_no_two_columns_of_the_results_have_one_name(names: list[str], layout: str) -> None:
    schema = columns.results_schema(schema_of(*names), SHAPE, layout)
    assert len({*schema.names}) == len(schema.names)
    renamed = result_names(names, SHAPE, layout)
    own = [*schema.names[len(names) :], SHAPE.column]
    assert all(renamed[name] == name for name in names if name not in own)


@given(st.sets(st.sampled_from([*OWN, *(f"error_{name}" for name in OWN), "USER_ID"])))
def test_failed_rows_have_all_input_columns_and_why_and_again(names: set[str]) -> None:
    source = schema_of(*sorted(names))  # integers: no column of failed rows is one
    once = columns.errors_schema(source)
    assert once.names[: len(names)] == source.names
    assert len({*once.names}) == len(names) + len(OWN)
    assert columns.errors_schema(once) == once
    assert [*error_names(once).values()] == once.names[len(names) :]


def test_failed_rows_of_a_version_that_wrote_fewer_columns_are_known() -> None:
    source = schema_of("USER_ID")
    all_of_them = columns.errors_schema(source)
    for missing in ("http_status", "attempts", "request_id"):
        older = all_of_them.remove(all_of_them.get_field_index(missing))
        assert columns.errors_schema(older) == all_of_them


def test_a_column_of_another_type_is_the_inputs_own() -> None:
    names = ("error_code", "error_message", "failed_at")
    schema = columns.errors_schema(schema_of(*names))
    assert schema.names[:3] == [*names]
    assert schema.names[3] == "error_error_code"
