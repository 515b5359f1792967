"""Input columns -> request bodies. Pure: no I/O, no clock.

A row that breaks a limit of the service becomes a Failure with code InvalidRow, before a call is
spent on it. Messages name the column and the limit, never the value: it may be personal data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pyarrow as pa

from worker.codec.texts import LIST_TYPES, Text, Unfit, is_text, text_lists, texts
from worker.config.model import InputColumns, RequestSection, Target
from worker.model import Failure
from worker.personalize import limits
from worker.personalize.error_codes import INVALID_ROW

_DIGITS_MAX = 20  # of a number of results

# Enters a value of a column into a request.
Setter = Callable[[dict[str, Any], Any], None]


class InvalidRowError(ValueError):
    """Raised inside this module for a row that cannot be sent; never leaves it."""


def request_constants(target: Target, request: RequestSection) -> dict[str, Any]:
    """Return the members that every request of the run shares, under their API names.

    The order in which a config has them does not count: equal configs make equal bytes.
    """
    members: dict[str, Any] = {
        "campaignArn": target.campaign_arn,
        "recommenderArn": target.recommender_arn,
        "numResults": request.num_results,
        "filterArn": request.filter_arn,
        "filterValues": dict(sorted(request.filter_values.items())),
        "context": dict(sorted(request.context.items())),
        "metadataColumns": {"ITEMS": list(request.metadata_columns)}
        if request.metadata_columns
        else None,
        "promotions": [
            {
                "name": promotion.name,
                "percentPromotedItems": promotion.percent_promoted_items,
                "filterArn": promotion.filter_arn,
                **(
                    {"filterValues": dict(sorted(values))}
                    if (values := promotion.filter_values.items())
                    else {}
                ),
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

    def _fields(self, rows: pa.RecordBatch) -> Iterator[tuple[Setter, Sequence[Any]]]:
        """Yield, for each column used, how a value enters a request, and the column's values."""
        columns = self._columns
        if columns.user_id:
            yield _id_setter("userId", columns.user_id), texts(rows.column(columns.user_id))
        if columns.item_id:
            yield _id_setter("itemId", columns.item_id), texts(rows.column(columns.item_id))
        if columns.item_list:
            setter = _item_list_setter(columns.item_list, self._input_list_max)
            yield setter, text_lists(rows.column(columns.item_list))
        if columns.num_results:
            setter = _num_results_setter(columns.num_results, self._num_results_max)
            yield setter, texts(rows.column(columns.num_results))
        for key, name in sorted(columns.context.items()):
            yield _context_setter(key, name), texts(rows.column(name))
        for key, name in sorted(columns.filter_values.items()):
            yield _filter_values(key, name, rows.column(name))

    def _body(self, index: int, fields: Sequence[tuple[Setter, Sequence[Any]]]) -> bytes | Failure:
        request = dict(self._constants)
        try:
            for setter, values in fields:
                setter(request, values[index])
        except InvalidRowError as error:
            return Failure(code=INVALID_ROW, message=str(error))
        return orjson.dumps(request)


def _sound(value: Text, name: str) -> str | None:
    if isinstance(value, Unfit):
        raise InvalidRowError(f"column {name!r} {value.reason}")
    return value


def _identifier(value: Text, name: str) -> str:
    identifier = _sound(value, name)
    if identifier is None:
        raise InvalidRowError(f"column {name!r} is null")
    if not identifier:
        raise InvalidRowError(f"column {name!r} is empty")
    if len(identifier) > limits.ID_CHARS_MAX:
        raise InvalidRowError(
            f"column {name!r} has {len(identifier)} characters; "
            f"an ID has at most {limits.ID_CHARS_MAX}"
        )
    return identifier


def _id_setter(member: str, name: str) -> Setter:
    def enter(request: dict[str, Any], value: Any) -> None:
        request[member] = _identifier(value, name)

    return enter


def _item_list_setter(name: str, most: int) -> Setter:
    def enter(request: dict[str, Any], value: Any) -> None:
        if not value:
            raise InvalidRowError(f"column {name!r} is {'null' if value is None else 'empty'}")
        if len(value) > most:
            raise InvalidRowError(
                f"column {name!r} has {len(value)} items; a request takes at most {most}"
            )
        request["inputList"] = [_identifier(item, f"{name}[]") for item in value]

    return enter


def _num_results_setter(name: str, most: int) -> Setter:
    def enter(request: dict[str, Any], value: Any) -> None:
        text = _sound(value, name)
        if text is None:
            return  # the constant, or the service's default
        # More digits than Python reads are not within the bounds either.
        number = int(text) if "." not in text and len(text) < _DIGITS_MAX else 0
        if not 1 <= number <= most:
            raise InvalidRowError(
                f"column {name!r} is {text[:_DIGITS_MAX]}; a request takes 1 to {most}"
            )
        request["numResults"] = number

    return enter


def _context_setter(key: str, name: str) -> Setter:
    def enter(request: dict[str, Any], value: Any) -> None:
        text = _sound(value, name)
        if text is None:
            return
        _check_chars(text, name, limits.CONTEXT_VALUE_CHARS_MAX)
        request["context"] = {**request.get("context", {}), key: text}

    return enter


def _filter_values(key: str, name: str, column: pa.Array[Any]) -> tuple[Setter, Sequence[Any]]:
    """Return what enters a column's values, and these: lists of texts."""
    if isinstance(column.type, LIST_TYPES):
        kind, lists = column.type.value_type, text_lists(column)
    else:
        kind = column.type
        lists = [None if text is None else [text] for text in texts(column)]

    def enter(request: dict[str, Any], value: Any) -> None:
        if not value:
            return  # an EXCLUDE filter may go without; an INCLUDE filter is refused by the service
        text = ",".join(_filter_value(part, name, quoted=is_text(kind)) for part in value)
        _check_chars(text, name, limits.FILTER_VALUE_CHARS_MAX)
        request["filterValues"] = {**request.get("filterValues", {}), key: text}

    return enter, lists


def _filter_value(value: Text, name: str, *, quoted: bool) -> str:
    """Return a filter value in the API's form: text in double quotes, numbers bare.

    No escape for a double quote inside the text is documented, so there is none here.
    Source: developer guide, "Applying a filter to real-time recommendations".
    """
    text = _sound(value, name)
    if text is None:
        raise InvalidRowError(f"column {name!r} holds a null in its list")
    if not quoted:
        return text
    if '"' in text:
        raise InvalidRowError(f"column {name!r} holds a double quote, which no filter value can")
    return f'"{text}"'


def _check_chars(text: str, name: str, most: int) -> None:
    if len(text) > most:
        raise InvalidRowError(
            f"column {name!r} makes {len(text)} characters; a request takes at most {most}"
        )
