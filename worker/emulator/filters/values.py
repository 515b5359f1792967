"""The values that a request gives to a filter's placeholders, in filterValues."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from worker.emulator.errors import invalid_input
from worker.emulator.filters.grammar import number


class Value(NamedTuple):
    """One value: its text, and the number that it is if it came without quotes."""

    text: str
    number: int | float | None


_VALUE: Final = re.compile(
    r'\s*(?:"(?P<text>[^"]*)"|(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?))\s*',
    re.ASCII,
)


def parse_values(name: str, given: str) -> tuple[Value, ...]:
    """Return the values in the member `name` of filterValues: `"comedy","drama"` or `1970`.

    Strings have their own double quotes, inside which a comma is one of the string; numbers have
    none; commas separate. Raises ServiceFault for anything else, unquoted text among it.
    Source: the developer guide's page filter-real-time; that unquoted text is refused is a choice.
    """
    values: list[Value] = []
    at = 0
    while match := _VALUE.match(given, at):
        text, digits = match["text"], match["number"]
        values.append(Value(digits, number(digits)) if text is None else Value(text, None))
        at = match.end()
        if at == len(given):
            return tuple(values)
        if given[at] != ",":
            break
        at += 1
    raise invalid_input(
        f"filterValues.{name}: {given!r} is not a list of strings in double quotes or of numbers, "
        f'such as "a","b" with the quotes; it ceases to be one at character {at + 1}'
    )
