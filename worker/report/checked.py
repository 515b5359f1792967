"""JSON files as reports need them: types and bounds; what is wrong is told with the field. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

_SEEN_CHARACTERS_MAX: Final = 60


class Part(BaseModel):
    """A table of a file, with the keys that a report reads; others are as they may be."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("has no time zone")
    return text


# Bounds that no run or test comes near, and whose sums still are numbers.
Count = Annotated[int, Field(ge=0, le=1 << 53)]
Number = Annotated[float, Field(ge=0, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]
Moment = Annotated[str, AfterValidator(_moment)]


def wrong_in(model: type[Part], values: Any) -> str | None:
    """Return the first field that is wrong, how, and what was seen; None: nothing is."""
    try:
        model.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            return f"{where} is missing"
        seen = repr(first["input"])
        if len(seen) > _SEEN_CHARACTERS_MAX:
            seen = f"{seen[:_SEEN_CHARACTERS_MAX]}..."
        return f"{where or 'the whole'}: {what} (seen: {seen})"
    return None
