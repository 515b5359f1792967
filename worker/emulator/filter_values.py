"""The values that a request gives to a filter's placeholders, in filterValues."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from worker.emulator.errors import invalid_input
from worker.emulator.filter_grammar import number


class Value(NamedTuple):
    """One value: its text, and the number that it is if it came without quotes."""

    text: str
    number: int | float | None


_VALUE: Final = re.compile(
    r'\s*(?:"(?P<text>[^"]*)"|(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?))\s*(?P<more>,|\Z)',
    re.ASCII,
)


@lru_cache(maxsize=4096)
def parse_values(given: str) -> tuple[Value, ...]:
    r"""Return the values in one member of filterValues: `"comedy","drama"` or `1970`.

    Strings have their own double quotes, inside which a comma is one of the string; numbers have
    none; commas separate. Raises ServiceFault for anything else, unquoted text among it.
    Source: the developer guide's page filter-real-time; that unquoted text is refused is a choice.
    """
    values = []
    at = 0
    while True:
        match = _VALUE.match(given, at)
        if match is None:
            raise invalid_input(
                f"filterValues: {given!r} is not a list of strings in double quotes or of numbers, "
                f'such as "a","b" with the quotes; character {at + 1} begins none'
            )
        text = match["text"]
        if text is None:
            values.append(Value(match["number"], number(match["number"])))
        else:
            values.append(Value(text, None))
        at = match.end()
        if not match["more"]:
            return tuple(values)
