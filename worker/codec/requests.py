"""Input columns -> request bodies. Pure: no I/O, no clock.

A row that breaks a limit of the service becomes a Failure with code InvalidRow, before a call is
spent on it. Messages name the column and the limit, never the value: it may be personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.types as kinds

from worker.config.model import InputColumns, RequestSection, Target
from worker.errors import InputError
from worker.model import Failure
from worker.personalize import limits
from worker.personalize.error_codes import INVALID_ROW

_LISTS = (pa.ListType, pa.LargeListType, pa.FixedSizeListType)


class InvalidRowError(ValueError):
    """Raised inside this module for a row that cannot be sent; never leaves it."""


def request_constants(target: Target, request: RequestSection) -> dict[str, Any]:
    """Return the members that every request of the run shares, under their API names."""
    members: dict[str, Any] = {
        "campaignArn": target.campaign_arn,
        "recommenderArn": target.recommender_arn,
        "numResults": request.num_results,
        "filterArn": request.filter_arn,
        "filterValues": dict(request.filter_values),
        "context": dict(request.context),
        "metadataColumns": {"ITEMS": list(request.metadata_columns)}
        if request.metadata_columns
        else None,
        "promotions": [
            {
                "name": promotion.name,
                "percentPromotedItems": promotion.percent_promoted_items,
                "filterArn": promotion.filter_arn,
                **({"filterValues": promotion.filter_values} if promotion.filter_values else {}),
            }
            for promotion in request.promotions
        ],
    }
    return {name: value for name, value in members.items() if value}


class RequestBuilder:
    """Turns batches of rows into JSON request bodies.

    `num_results_max` and `input_list_max` depend on the operation and on metadata.
    """

    def __init__(
        self,
        constants: dict[str, Any],
        columns: InputColumns,
        *,
        num_results_max: int,
        input_list_max: int,
    ) -> None:
        self._constants = constants
        self._columns = columns
        self._num_results_max = num_results_max
        self._input_list_max = input_list_max

    def build(self, rows: pa.RecordBatch) -> list[bytes | Failure]:
        """Return one JSON body, or one Failure, for each row, in order."""
        fields = list(self._fields(rows))
        return [self._body(index, fields) for index in range(rows.num_rows)]

    def _fields(
        self, rows: pa.RecordBatch
    ) -> Iterator[tuple[Callable[[dict[str, Any], Any], None], list[Any]]]:
        """Yield, for each column used, how a value enters a request, and the column's values."""
        columns = self._columns

        def values(name: str) -> list[Any]:
            return _values(rows.column(name))

        if columns.user_id:
            yield _id_setter("userId", columns.user_id), values(columns.user_id)
        if columns.item_id:
            yield _id_setter("itemId", columns.item_id), values(columns.item_id)
        if columns.item_list:
            setter = _item_list_setter(columns.item_list, self._input_list_max)
            yield setter, values(columns.item_list)
        if columns.num_results:
            most = self._num_results_max
            yield _num_results_setter(columns.num_results, most), values(columns.num_results)
        for key, name in columns.context.items():
            yield _context_setter(key, name), values(name)
        for key, name in columns.filter_values.items():
            yield _filter_value_setter(key, name), values(name)

    def _body(self, index: int, fields: Sequence[tuple[Any, list[Any]]]) -> bytes | Failure:
        request = dict(self._constants)
        try:
            for setter, values in fields:
                setter(request, values[index])
        except InvalidRowError as error:
            return Failure(code=INVALID_ROW, message=str(error))
        return orjson.dumps(request)


def check_column_types(schema: pa.Schema, columns: InputColumns) -> None:
    """Raise InputError when a column's type cannot carry what the config takes from it."""
    checks: list[tuple[str, str | None, Callable[[pa.DataType], bool], str]] = [
        ("user_id", columns.user_id, _is_id, "strings or integers"),
        ("item_id", columns.item_id, _is_id, "strings or integers"),
        ("item_list", columns.item_list, _is_id_list, "lists of strings or integers"),
        ("num_results", columns.num_results, kinds.is_integer, "integers"),
    ]
    for key, column in columns.context.items():
        checks.append((f"context.{key}", column, _is_scalar, "strings, numbers or booleans"))
    for key, column in columns.filter_values.items():
        wanted = "strings or numbers, or lists of them"
        checks.append((f"filter_values.{key}", column, _is_filter_value, wanted))
    for key, used, fits, wanted in checks:
        if used is not None and not fits(schema.field(used).type):
            raise InputError(
                f"column {used!r} has type {schema.field(used).type}; "
                f"input.columns.{key} takes {wanted}",
                hint="name another column, or cast this one when writing the Parquet",
            )


def _values(column: pa.Array[Any]) -> list[Any]:
    """Return Python values: integers as they are, text as str, None for null.

    Parquet does not promise that strings are UTF-8; one that is not becomes an _Unreadable.
    """
    try:
        return column.to_pylist()
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


class _Unreadable:
    """Stands for a string that is not UTF-8."""


def _value(scalar: pa.Scalar[Any]) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return _Unreadable()


def _text(value: Any, name: str) -> str:
    """Return the text of a non-null scalar, as the API takes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, _Unreadable):
        raise InvalidRowError(f"column {name!r} is not UTF-8")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _identifier(value: Any, name: str) -> str:
    if value is None:
        raise InvalidRowError(f"column {name!r} is null")
    identifier = _text(value, name)
    if not identifier:
        raise InvalidRowError(f"column {name!r} is empty")
    if len(identifier) > limits.ID_CHARS_MAX:
        raise InvalidRowError(
            f"column {name!r} has {len(identifier)} characters; "
            f"an ID has at most {limits.ID_CHARS_MAX}"
        )
    return identifier


def _id_setter(member: str, name: str) -> Callable[[dict[str, Any], Any], None]:
    def enter(request: dict[str, Any], value: Any) -> None:
        request[member] = _identifier(value, name)

    return enter


def _item_list_setter(name: str, most: int) -> Callable[[dict[str, Any], Any], None]:
    def enter(request: dict[str, Any], value: Any) -> None:
        if isinstance(value, _Unreadable):
            raise InvalidRowError(f"column {name!r} holds text that is not UTF-8")
        if not value:
            raise InvalidRowError(f"column {name!r} is {'null' if value is None else 'empty'}")
        if len(value) > most:
            raise InvalidRowError(
                f"column {name!r} has {len(value)} items; a request takes at most {most}"
            )
        request["inputList"] = [_identifier(item, f"{name}[]") for item in value]

    return enter


def _num_results_setter(name: str, most: int) -> Callable[[dict[str, Any], Any], None]:
    def enter(request: dict[str, Any], value: Any) -> None:
        if value is None:
            return  # the constant, or the service's default
        if not 1 <= value <= most:
            raise InvalidRowError(f"column {name!r} is {value}; a request takes 1 to {most}")
        request["numResults"] = value

    return enter


def _context_setter(key: str, name: str) -> Callable[[dict[str, Any], Any], None]:
    def enter(request: dict[str, Any], value: Any) -> None:
        if value is None:
            return
        text = _text(value, name)
        _check_chars(text, name, limits.CONTEXT_VALUE_CHARS_MAX)
        request["context"] = {**request.get("context", {}), key: text}

    return enter


def _filter_value_setter(key: str, name: str) -> Callable[[dict[str, Any], Any], None]:
    def enter(request: dict[str, Any], value: Any) -> None:
        if value is None or value == []:
            return  # an EXCLUDE filter may go without; an INCLUDE filter is refused by the service
        parts = value if isinstance(value, list) else [value]
        text = ",".join(_quoted(part, name) for part in parts)
        _check_chars(text, name, limits.FILTER_VALUE_CHARS_MAX)
        request["filterValues"] = {**request.get("filterValues", {}), key: text}

    return enter


def _quoted(value: Any, name: str) -> str:
    """Return a filter value in the API's form: text in double quotes, numbers bare.

    No escape for a double quote inside the text is documented, so there is none here.
    Source: developer guide, "Applying a filter to real-time recommendations".
    """
    if value is None:
        raise InvalidRowError(f"column {name!r} holds a null in its list")
    text = _text(value, name)
    if not isinstance(value, str):
        return text
    if '"' in text:
        raise InvalidRowError(f"column {name!r} holds a double quote, which no filter value can")
    return f'"{text}"'


def _check_chars(text: str, name: str, most: int) -> None:
    if len(text) > most:
        raise InvalidRowError(
            f"column {name!r} makes {len(text)} characters; a request takes at most {most}"
        )


def _is_text(kind: pa.DataType) -> bool:
    return kinds.is_string(kind) or kinds.is_large_string(kind)


def _is_id(kind: pa.DataType) -> bool:
    return _is_text(kind) or kinds.is_integer(kind)


def _is_id_list(kind: pa.DataType) -> bool:
    return isinstance(kind, _LISTS) and _is_id(kind.value_type)


def _is_number(kind: pa.DataType) -> bool:
    return kinds.is_integer(kind) or kinds.is_floating(kind)


def _is_scalar(kind: pa.DataType) -> bool:
    return _is_text(kind) or _is_number(kind) or kinds.is_boolean(kind)


def _is_filter_value(kind: pa.DataType) -> bool:
    inner = kind.value_type if isinstance(kind, _LISTS) else kind
    return _is_text(inner) or _is_number(inner)
