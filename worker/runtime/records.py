"""Records as JSON: a dataclass is an object, and its fields are the keys, in their order. Pure.

All that files and `--json` hold is made here, and read back here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

_SEEN_CHARACTERS_MAX: Final = 60
_HOW: Final = "how a field stands in JSON"
_INLINE: Final = "inline"
_OPTIONAL: Final = "optional"

_Record = TypeVar("_Record")
_Part = TypeVar("_Part", bound="Part")


# For `dataclasses.field(metadata=...)`:
INLINE: Final = {_HOW: _INLINE}
"""The value is a record whose keys stand among its holder's; None has none. Not to be read back."""
OPTIONAL: Final = {_HOW: _OPTIONAL}
"""The key is absent where the value is None."""


def as_json(value: Any) -> Any:
    """Return a record as a dict, a sequence as a list; what is neither as it is."""
    if isinstance(value, tuple | list):
        return [as_json(each) for each in value]
    if isinstance(value, Mapping):
        return {key: as_json(each) for key, each in value.items()}
    if not is_dataclass(value):
        return value
    keys: dict[str, Any] = {}
    for each in fields(value):
        of_field = getattr(value, each.name)
        how = each.metadata.get(_HOW)
        if how == _INLINE:
            keys.update({} if of_field is None else as_json(of_field))
        elif how != _OPTIONAL or of_field is not None:
            keys[each.name] = as_json(of_field)
    return keys


def json_bytes(record: Any) -> bytes:
    """Return a record as the text of a JSON file, indented by 2."""
    return orjson.dumps(as_json(record), option=orjson.OPT_INDENT_2)


def read_record(kind: type[_Record], values: Any) -> _Record:
    """Return `values`, which come from JSON, as a record; keys that it does not have are left out.

    Raises ValueError when a key is missing or of another type, and when `values` are nested so
    deeply that they are no record.
    """
    try:
        text = orjson.dumps(values)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"it is nested too deeply ({error})") from None
    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise ValueError(_first_wrong(error)) from None


class Part(BaseModel):
    """A table of a file that nobody vouches for, with the keys that a report reads.

    Types are strict, and others than these keys may be as they are.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False, frozen=True)


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no time zone")
    return text


# Bounds that no run or test comes near, and whose sums still are numbers.
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Number = Annotated[float, Field(ge=0, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[str, AfterValidator(_moment)]


def read_part(kind: type[_Part], values: Any) -> _Part:
    """Return `values`, which come from JSON, checked.

    Raises ValueError, which names the first field that is wrong, how, and what was seen.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ValueError(_first_wrong(error)) from None


def _first_wrong(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{where} is missing"
    seen = repr(first["input"])
    if len(seen) > _SEEN_CHARACTERS_MAX:
        seen = f"{seen[:_SEEN_CHARACTERS_MAX]}..."
    return f"{where or 'the whole'}: {what} (seen: {seen})"
