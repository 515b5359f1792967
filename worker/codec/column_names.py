"""What columns are called where an input column has the name of one of this program's own. Pure.

In the results the input's column gives way: `items` is the answer, `input_items` what was ranked.
In `_errors/` this program's gives way, so that the folder is an input as it is: `attempts` is the
input's, `error_attempts` how many were made.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa

from worker.personalize.answer_shape import AnswerShape

UTC_US = pa.timestamp("us", tz="UTC")
CALL_FIELDS = (
    pa.field("requested_at", UTC_US),
    pa.field("latency_ms", pa.float32()),
    pa.field("attempts", pa.int8()),
    pa.field("request_id", pa.string()),
)
ERROR_FIELDS = (
    pa.field("error_code", pa.string()),
    pa.field("error_message", pa.string()),
    pa.field("http_status", pa.int16()),
    pa.field("attempts", pa.int8()),
    pa.field("request_id", pa.string()),
    pa.field("failed_at", UTC_US),
)
# By these a folder of failed rows is known, whatever else a version writes there.
_FAILED_ROWS = ("error_code", "error_message", "failed_at")


def result_names(copied: Sequence[str], shape: AnswerShape, layout: str) -> dict[str, str]:
    """Return what each copied input column is called in the results."""
    own = {"recommendation_id", shape.column, *(field.name for field in CALL_FIELDS)}
    if layout == "exploded":
        own |= {"rank", *shape.type.names}
    taken, names = {*own, *copied}, dict[str, str]()
    for name in copied:
        free = name
        while name in own and free in taken:
            free = f"input_{free}"
        taken.add(free)
        names[name] = free
    return names


def error_names(columns: pa.Schema) -> dict[str, str]:
    """Return what this program's own columns of `_errors/` are called there, by their names here.

    `columns` are an input's, or those of a file of `_errors/`. Such a file has these columns
    already: they are replaced where it is the input.
    """
    names, found = dict[str, str](), dict[str, str]()
    for field in ERROR_FIELDS:
        alike = re.compile(f"(error_)*{field.name}")
        names[field.name] = field.name
        if present := max(filter(alike.fullmatch, columns.names), key=len, default=None):
            found[field.name], names[field.name] = present, f"error_{present}"
    is_own = {
        field.name: field.name in found and columns.field(found[field.name]).type == field.type
        for field in ERROR_FIELDS
    }
    return names | found if all(is_own[name] for name in _FAILED_ROWS) else names
