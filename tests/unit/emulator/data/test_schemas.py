"""Avro schemas: the types of columns where they are given, and what is no schema.

Source: developer guide, "Creating schema JSON files for Amazon Personalize schemas".
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.emulator import ARN, Emulated, client, emulator, filter_arn, ids

from worker.emulator.errors import EmulatorError

INTERACTIONS = "USER_ID,ITEM_ID,TIMESTAMP\na,1,10\na,2,20\nb,3,30\n"
ITEMS = """ITEM_ID,TITLE,YEAR,PRICE,NEW,TEXT
1,One,1999,1.1,true,words
2,Two,2006-2007,x,yes,more
3,,2001,2,,
"""
NULLABLE = ["null", "string"]
FIELDS: list[dict[str, Any]] = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "TITLE", "type": NULLABLE, "itemName": True},
    {"name": "YEAR", "type": ["null", "int"]},
    {"name": "PRICE", "type": ["float", "null"]},
    {"name": "NEW", "type": ["null", "boolean"]},
    {"name": "TEXT", "type": NULLABLE, "textual": True},
]
SINCE = {"since": "INCLUDE ItemID WHERE Items.YEAR >= 2000"}


def schema(fields: list[dict[str, Any]]) -> str:
    record = {"type": "record", "name": "Items", "namespace": "com.amazonaws.personalize.schema"}
    return json.dumps({**record, "fields": fields, "version": "1.0"})


def settings(folder: Path, fields: list[dict[str, Any]] | str | None = None) -> dict[str, Any]:
    """Return the settings of data on disk, with a schema of the items where there are fields."""
    (folder / "interactions.csv").write_text(INTERACTIONS)
    (folder / "items.csv").write_text(ITEMS)
    values: dict[str, Any] = {
        what: str(folder / f"{what}.csv") for what in ("interactions", "items")
    }
    if fields is not None:
        path = folder / "items.avsc"
        path.write_text(fields if isinstance(fields, str) else schema(fields))
        values["schemas"] = {"items": str(path)}
    return values


def test_columns_have_the_types_of_the_schema(tmp_path: Path) -> None:
    data = Emulated(**settings(tmp_path, FIELDS)).data
    kinds = [str(kind) for kind in data.item_table.schema.types]
    assert kinds == ["string", "string", "int64", "double", "bool", "string"]
    assert data.item_table.column("YEAR").to_pylist() == [1999, None, 2001]
    assert data.item_table.column("PRICE").to_pylist() == [1.1, None, 2.0]
    assert data.item_table.column("NEW").to_pylist() == [True, None, None]
    assert (set(data.textual), data.title) == ({"TEXT"}, "TITLE")


def test_a_cell_that_is_no_number_ends_no_start_where_a_schema_is_given(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EmulatorError, match="text such as '2006-2007'") as caught:
        Emulated(**settings(tmp_path), filters=SINCE)
    assert "emulator.schemas" in caught.value.hint
    caplog.clear()
    world = Emulated(**settings(tmp_path, FIELDS), filters=SINCE)
    arn = filter_arn("since")
    assert ids(world.items("popularity-count", userId="a", filterArn=arn)) == ["3"]
    assert "column YEAR of the items data set" in caplog.text
    assert "1 cells that are no int, such as '2006-2007'" in caplog.text


def test_a_cell_that_is_not_of_its_type_is_refused_when_strict(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="'2006-2007'"):
        Emulated(**settings(tmp_path, FIELDS), strict=True)


def test_numbers_that_the_schema_calls_strings_are_compared_by_no_filter(tmp_path: Path) -> None:
    fields: list[dict[str, Any]] = [
        {"name": name, "type": NULLABLE} for name in ("TITLE", "PRICE", "NEW", "TEXT")
    ]
    years: list[dict[str, Any]] = [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "YEAR", "type": NULLABLE},
    ]
    with pytest.raises(EmulatorError, match="is text such as"):
        Emulated(**settings(tmp_path, years + fields), filters=SINCE)


SIMILAR = [{"name": "similar", "recipe": "aws-semantic-similarity"}]


@pytest.mark.parametrize(
    ("title", "more", "says"),
    [
        ({"itemName": True}, {"textual": True}, "calls 2 columns textual"),
        ({}, {}, "calls no column itemName"),
        ({"itemName": True}, {"textual": False}, None),
    ],
)
def test_what_texts_a_recipe_and_a_data_set_may_have_is_told(
    title: dict[str, bool],
    more: dict[str, bool],
    says: str | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TITLE", "type": "string", **title},
        {"name": "TEXT", "type": NULLABLE, "textual": True},
        {"name": "PRICE", "type": NULLABLE, **more},
    ]
    Emulated(**settings(tmp_path, fields), campaigns=SIMILAR)
    told = [each.getMessage() for each in caplog.records if "textual" in each.getMessage()]
    assert all((says or "") in each for each in told)
    assert bool(told) is (says is not None)


@pytest.mark.parametrize(
    ("text", "is_too_long"),
    [("\u5b57" * 7_000, False), ("\u5b57" * 7_001, True), ("\u30ab" * 4_000 + "a" * 3_001, True),
     ("\u5b57" + "a" * 19_000, False), ("a" * 20_001, True)],
)  # fmt: skip
def test_how_long_a_text_may_be_depends_on_its_language(
    text: str, is_too_long: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    given = settings(tmp_path, FIELDS)
    (tmp_path / "items.csv").write_text(
        f"ITEM_ID,TITLE,YEAR,PRICE,NEW,TEXT\n1,One,1999,1.0,true,{text}\n", encoding="utf-8"
    )
    Emulated(**given)
    assert ("column TEXT" in caplog.text) is is_too_long


def test_no_filter_goes_by_a_textual_column(tmp_path: Path) -> None:
    with pytest.raises(EmulatorError, match="TEXT of the items data set is textual"):
        Emulated(
            **settings(tmp_path, FIELDS),
            filters={"text": 'INCLUDE ItemID WHERE Items.TEXT IN ("words")'},
        )


def test_columns_that_the_schema_lacks_are_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world = Emulated(**settings(tmp_path, FIELDS[:2]))
    assert world.data.item_table.column_names == ["ITEM_ID", "TITLE"]
    assert "YEAR, PRICE, NEW, TEXT" in caplog.text


def test_empty_cells_of_a_field_without_null_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = [{"name": "ITEM_ID", "type": "string"}, {"name": "TITLE", "type": "string"}]
    with caplog.at_level(logging.WARNING):
        Emulated(**settings(tmp_path, fields))
    assert "column TITLE" in caplog.text
    assert "1 cells without a value" in caplog.text


def test_schemas_go_with_parquet_and_the_other_data_sets_too(tmp_path: Path) -> None:
    values = settings(tmp_path)
    del values["items"]
    path = tmp_path / "users.avsc"
    path.write_text(
        schema([{"name": "USER_ID", "type": "string"}, {"name": "AGE", "type": ["null", "long"]}])
    )
    users = pa.table({"user_id": [1, 2], "age": ["30", "x"]})
    world = Emulated(tmp_path, users=users, schemas={"users": str(path)}, **values)
    assert world.data.user_table.column("age").to_pylist()[:2] == [30, None]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("{", "not JSON"),
        ("[]", "no record"),
        ('{"type": "record", "fields": []}', "no record"),
        ([{"type": "string"}], "a field has no name"),
        ([{"name": "ITEM_ID", "type": {"type": "array", "items": "string"}}], "has the type"),
        ([{"name": "ITEM_ID", "type": ["string", "int"]}], "has the type"),
        ([{"name": "ITEM_ID", "type": "null"}], "has the type"),
        ([{"name": "ITEM_ID", "type": "bytes"}], "there are boolean, double, float"),
        ([FIELDS[0], FIELDS[0]], "two of its fields"),
        ([{"name": "ISBN", "type": "string"}], "no column ISBN, which its schema has; it has: "),
    ],
)
def test_what_is_no_schema_is_refused_with_advice(
    tmp_path: Path, fields: list[dict[str, Any]] | str, says: str
) -> None:
    with pytest.raises(EmulatorError, match=says):
        Emulated(**settings(tmp_path, fields))


def test_a_schema_file_that_is_missing_is_named(tmp_path: Path) -> None:
    values = settings(tmp_path) | {"schemas": {"items": str(tmp_path / "none.avsc")}}
    with pytest.raises(EmulatorError, match=r"none\.avsc of the items data set .*No such file"):
        Emulated(**values)


def test_boto3_gets_what_a_filter_on_a_typed_column_lets_through(tmp_path: Path) -> None:
    declared = [{"name": "since", "expression": SINCE["since"]}]
    with emulator(**settings(tmp_path, FIELDS), filters=declared) as address:
        items = client("personalize-runtime", address).get_recommendations(
            campaignArn=f"{ARN}campaign/popularity-count",
            userId="a",
            filterArn=filter_arn("since"),
        )["itemList"]
    assert items == [{"itemId": "3"}]
