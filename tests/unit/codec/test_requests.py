"""Rows -> request bodies, and the rows that are not sent."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.codec.requests import RequestBuilder, request_constants
from worker.config.model import InputColumns, RequestSection, Target
from worker.model import Failure

TARGET = Target.model_validate(
    {"operation": "GetRecommendations", "campaign_arn": "arn:aws:personalize:r:1:campaign/c"}
)
FILTER_ARN = "arn:aws:personalize:r:1:filter/f"


def build(
    columns: dict[str, Any], rows: dict[str, Any], *, request: dict[str, Any] | None = None
) -> list[dict[str, Any] | str]:
    """Return each row's request as a dict, or its refusal as text."""
    builder = RequestBuilder(
        request_constants(TARGET, RequestSection.model_validate(request or {})),
        InputColumns.model_validate(columns),
        num_results_max=500,
        input_list_max=3,
    )
    (batch,) = pa.table(rows).combine_chunks().to_batches()
    built = builder.build(batch)
    assert all(not isinstance(body, Failure) or body.code == "InvalidRow" for body in built)
    return [body.message if isinstance(body, Failure) else json.loads(body) for body in built]


def test_constants_and_columns_meet_in_one_request() -> None:
    request = {
        "num_results": 10,
        "filter_arn": FILTER_ARN,
        "filter_values": {"A": '"x"', "B": '"y"'},
        "context": {"DEVICE": "phone"},
        "metadata_columns": ["TITLE"],
        "promotions": [{"name": "p", "percent_promoted_items": 20, "filter_arn": FILTER_ARN,
                        "filter_values": {"C": "1"}}],
    }  # fmt: skip
    columns = {
        "user_id": "U",
        "num_results": "N",
        "context": {"DAYPART": "D"},
        "filter_values": {"B": "G"},
    }
    rows = {"U": ["u1", "u2"], "N": [None, 3], "D": ["noon", None], "G": [["a", "b"], None]}
    first, second = build(columns, rows, request=request)
    assert first == {
        "campaignArn": TARGET.campaign_arn,
        "userId": "u1",
        "numResults": 10,
        "filterArn": FILTER_ARN,
        "filterValues": {"A": '"x"', "B": '"a","b"'},
        "context": {"DEVICE": "phone", "DAYPART": "noon"},
        "metadataColumns": {"ITEMS": ["TITLE"]},
        "promotions": [{"name": "p", "percentPromotedItems": 20, "filterArn": FILTER_ARN,
                        "filterValues": {"C": "1"}}],
    }  # fmt: skip
    assert isinstance(second, dict)
    assert second["numResults"] == 3
    assert second["context"] == {"DEVICE": "phone"}
    assert second["filterValues"] == {"A": '"x"', "B": '"y"'}


def test_one_row_does_not_leak_into_the_next() -> None:
    columns = {"user_id": "U", "context": {"K": "C"}}
    first, second = build(columns, {"U": ["a", "b"], "C": ["x", None]})
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["context"] == {"K": "x"}
    assert "context" not in second


def test_integers_become_strings() -> None:
    (row,) = build({"user_id": "U", "item_id": "I"}, {"U": [7], "I": pa.array([8], pa.uint16())})
    assert isinstance(row, dict)
    assert (row["userId"], row["itemId"]) == ("7", "8")


PRINTABLE = st.characters(exclude_categories=["C", "Z"], include_characters=" ")


@given(st.text(PRINTABLE, min_size=1, max_size=256))
def test_any_text_survives_as_an_id(text: str) -> None:
    (row,) = build({"user_id": "U"}, {"U": [text]})
    assert isinstance(row, dict)
    assert row["userId"] == text


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (None, "column 'U' is null"),
        ("", "column 'U' is empty"),
        ("x" * 300, "column 'U' has 300 characters; an ID has at most 256"),
    ],
)
def test_a_row_without_a_usable_id_is_refused(value: str | None, refusal: str) -> None:
    good, bad = build({"user_id": "U"}, {"U": pa.array(["ok", value], pa.string())})
    assert isinstance(good, dict)
    assert bad == refusal


@pytest.mark.parametrize(
    ("items", "refusal"),
    [
        (None, "column 'L' is null"),
        ([], "column 'L' is empty"),
        (["a"] * 4, "column 'L' has 4 items; a request takes at most 3"),
        (["a", None], "column 'L[]' is null"),
        (["a", ""], "column 'L[]' is empty"),
        (["a", "x" * 257], "column 'L[]' has 257 characters; an ID has at most 256"),
    ],
)
def test_an_unusable_item_list_is_refused(items: list[str | None] | None, refusal: str) -> None:
    lists = pa.array([["a", "b"], items], pa.list_(pa.string()))
    good, bad = build({"user_id": "U", "item_list": "L"}, {"U": ["u", "u"], "L": lists})
    assert isinstance(good, dict)
    assert good["inputList"] == ["a", "b"]
    assert bad == refusal


@pytest.mark.parametrize("value", [0, -1, 501])
def test_num_results_outside_the_limits_is_refused(value: int) -> None:
    (row,) = build({"user_id": "U", "num_results": "N"}, {"U": ["u"], "N": [value]})
    assert row == f"column 'N' is {value}; a request takes 1 to 500"


@pytest.mark.parametrize(
    ("value", "sent"), [(3.0, 3), (math.nan, None), (2.5, "2.5"), (1e300, "1" + 19 * "0")]
)
def test_num_results_may_be_floats_as_pandas_makes_them(value: float, sent: object) -> None:
    (row,) = build({"user_id": "U", "num_results": "N"}, {"U": ["u"], "N": [value]})
    if isinstance(sent, str):
        assert row == f"column 'N' is {sent}; a request takes 1 to 500"
    else:
        assert isinstance(row, dict)
        assert row.get("numResults") == sent


def test_context_values_are_texts_of_numbers() -> None:
    columns = {"user_id": "U", "context": {"K": "C"}}
    request = {"context": {"K": "none"}}
    rows = {"U": ["a", "b", "c"], "C": [34.0, math.nan, math.inf]}
    first, second, third = build(columns, rows, request=request)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["context"] == {"K": "34"}
    assert second["context"] == {"K": "none"}
    assert third == "column 'C' is infinite"


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        (pa.array(["Comedy"]), '"Comedy"'),
        (pa.array([["Comedy", "a, b"]]), '"Comedy","a, b"'),
        (pa.array([7]), "7"),
        (pa.array([[1.5, 2.0]]), "1.5,2"),
        (pa.array([[0.1, 19.99]], pa.list_(pa.float32())), "0.1,19.99"),
        (pa.array([math.nan]), None),
        (pa.array([[1.0, math.nan]]), "column 'F' holds a null in its list"),
        (pa.array([[1.0, math.inf]]), "column 'F' is infinite"),
        (pa.array([Decimal("12.50")]), "12.5"),
        (pa.array([b"Comedy"]), '"Comedy"'),
        (pa.nulls(1), None),
        (pa.array([[]], pa.list_(pa.string())), None),
        (pa.array([None], pa.string()), None),
        (pa.array(['say "x"']), "column 'F' holds a double quote, which no filter value can"),
        (pa.array([["a", None]]), "column 'F' holds a null in its list"),
        (pa.array(["x" * 999]), "column 'F' makes 1001 characters; a request takes at most 1000"),
        (pa.array(["x" * 998]), '"' + "x" * 998 + '"'),
    ],
)
def test_filter_values_are_quoted_as_the_api_wants(values: Any, sent: str | None) -> None:
    (row,) = build({"user_id": "U", "filter_values": {"G": "F"}}, {"U": ["u"], "F": values})
    got = row["filterValues"]["G"] if isinstance(row, dict) and "filterValues" in row else row
    assert got == (sent or {"campaignArn": TARGET.campaign_arn, "userId": "u"})


def test_context_that_is_too_long_is_refused() -> None:
    (row,) = build({"user_id": "U", "context": {"K": "C"}}, {"U": ["u"], "C": ["x" * 1001]})
    assert row == "column 'C' makes 1001 characters; a request takes at most 1000"


def test_text_that_is_not_utf8_harms_its_own_row_only() -> None:
    broken = pa.array([b"ok", b"\xff\xfe"]).view(pa.string())
    good, bad = build({"user_id": "U"}, {"U": broken})
    assert isinstance(good, dict)
    assert bad == "column 'U' is not UTF-8"


def test_equal_configs_make_equal_bytes_in_whatever_order_their_keys_are() -> None:
    """A request is known by its digest: after a stop, too, when the config was put in order."""
    promotion = {"name": "p", "percent_promoted_items": 20, "filter_arn": FILTER_ARN}
    values = {"A": '"x"', "B": '"y"'}
    request = {"context": {"C": "1", "D": "2"}, "filter_values": values}
    columns = {"context": {"E": "X", "F": "Y"}, "filter_values": {"G": "X", "H": "Y"}}
    rows = pa.record_batch({"U": ["u"], "X": ["x"], "Y": ["y"]})

    def bodies(turned: int) -> list[bytes | Failure]:
        def table(keys: dict[str, str]) -> dict[str, str]:
            return dict([*keys.items()][::turned])

        said = {key: table(keys) for key, keys in request.items()}
        promotions = [{**promotion, "filter_values": table(values)}]
        builder = RequestBuilder(
            request_constants(
                TARGET, RequestSection.model_validate({**said, "promotions": promotions})
            ),
            InputColumns.model_validate(
                {"user_id": "U", **{key: table(keys) for key, keys in columns.items()}}
            ),
            num_results_max=500,
            input_list_max=3,
        )
        return builder.build(rows)

    assert isinstance(bodies(1)[0], bytes)
    assert bodies(1) == bodies(-1)
