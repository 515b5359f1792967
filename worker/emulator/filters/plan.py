"""From an expression's tree to functions over columns: what one request then runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from worker.emulator.filters.columns import (
    Bools,
    Cells,
    compare,
)
from worker.emulator.filters.grammar import BadExpression, Condition, Field, Literal, Parameter
from worker.emulator.filters.index import Index
from worker.emulator.filters.rules import OF_EVENTS, dataset_of
from worker.emulator.filters.values import Value

Values = Mapping[str, tuple[Value, ...]]
"""A request's values by placeholder."""


class Request(NamedTuple):
    """What a condition may depend on; the user and the item are codes, None for unknown ones."""

    values: Values
    user: int | None
    item: int | None


Rows = Callable[[Request], Bools]
"""Which items or actions a condition holds for."""

Test = Callable[[int, Values], bool]
"""Whether a condition holds for a known user."""


@dataclass(frozen=True, slots=True)
class Use:
    """How an expression uses a placeholder: as a list, as one number, or as one value."""

    parameter: str
    kind: str


LIST: Final = "list"
NUMBER: Final = "number"
ONE: Final = "one"


def plan_rows(condition: Condition, index: Index, uses: list[Use]) -> Rows:
    """Return a condition of WHERE as a function; adds what it asks of placeholders to `uses`."""
    if dataset_of(condition.field) in OF_EVENTS:
        return _events(condition, index, uses)
    if condition.is_membership:
        return _membership(condition, index, uses)
    numbers, operator = index.numbers(condition.field), condition.operator
    size = len(numbers.present)
    match condition.operands[0]:
        case Field() as other:
            own = index.numbers(other)

            def against_item(request: Request) -> Bools:
                value = None if request.item is None else own.cell(request.item)
                return _nothing(size) if value is None else numbers.comparing(operator, value)

            return against_item
        case Parameter(name):
            uses.append(Use(name, NUMBER))
            return lambda request: numbers.comparing(operator, _number(request, name))
        case Literal() as literal:
            value = _number_of(literal)
            return lambda _: numbers.comparing(operator, value)


def plan_user(condition: Condition, index: Index, uses: list[Use]) -> Test:
    """Return a condition of IF as a function on a known user."""
    columns, spelling = index.columns(condition.field)
    cells = columns.cells(spelling)
    if condition.is_membership:
        return _user_membership(condition, cells, uses)
    # The guide's page action-recommendation-filter-examples has MEMBERSHIP = $PREMIUM: = and !=
    # take text as well here.
    operator, takes_text = condition.operator, condition.operator in {"=", "!="}
    numbers = columns.numbers(spelling) if takes_text else index.numbers(condition.field)
    match condition.operands[0]:
        case Parameter(name):
            uses.append(Use(name, ONE if takes_text else NUMBER))
            fixed = None
        case Literal(given, at) as literal:
            if numbers is None and not isinstance(given, str):
                raise BadExpression(
                    at,
                    f"a number for {condition.field}, which is text",
                    hint=f'write the value in quotes: "{given}"',
                )
            is_text = takes_text and isinstance(given, str)
            name, fixed = "", Value(str(given), None if is_text else _number_of(literal))
        case Field():
            raise AssertionError("refused by filter_rules")

    def test(user: int, values: Values) -> bool:
        value = values[name][0] if fixed is None else fixed
        if numbers is not None and value.number is not None:
            number = numbers.cell(user)
            return number is not None and bool(compare(operator, number, value.number))
        texts = cells.at(user)  # equal to any of them is equal
        return bool(texts) and (value.text in texts) == (operator == "=")

    return test


def _events(condition: Condition, index: Index, uses: list[Use]) -> Rows:
    events = index.log(condition.field)
    fixed, names = _list(condition, uses)
    if not events.recorded and (names or set(fixed) != {"*"}):
        raise BadExpression(
            condition.field.at,
            "the data set has no event types",
            hint='add a column EVENT_TYPE, or filter by any interaction: IN ("*")',
        )
    fixed_wanted = events.wanted(fixed)

    def touched(request: Request) -> Bools:
        wanted = events.wanted(_texts(request.values, fixed, names)) if names else fixed_wanted
        rows = events.touched(request.user, wanted)
        if condition.operator == "IN":
            return rows
        return events.touched(request.user, None) & ~rows

    return touched


def _membership(condition: Condition, index: Index, uses: list[Use]) -> Rows:
    texts, negated = index.texts(condition.field), condition.operator == "NOT IN"
    other = condition.operands[0]
    if isinstance(other, Field):
        own = index.texts(other)

        def like_item(request: Request) -> Bools:
            values = [] if request.item is None else own.at(request.item)
            if not values:
                return _nothing(len(texts.present))
            rows = texts.holding(values)
            return texts.present & ~rows if negated else rows

        return like_item
    fixed, names = _list(condition, uses)

    def listed(request: Request) -> Bools:
        rows = texts.holding(_texts(request.values, fixed, names))
        return texts.present & ~rows if negated else rows

    return listed


def _user_membership(condition: Condition, cells: Cells, uses: list[Use]) -> Test:
    fixed, names = _list(condition, uses)
    negated = condition.operator == "NOT IN"

    def test(user: int, values: Values) -> bool:
        texts = cells.at(user)
        return bool(texts) and set(texts).isdisjoint(_texts(values, fixed, names)) == negated

    return test


def _list(condition: Condition, uses: list[Use]) -> tuple[list[str], list[str]]:
    """Return the strings and the placeholders' names of a list."""
    names = [each.name for each in condition.operands if isinstance(each, Parameter)]
    uses += [Use(name, LIST) for name in names]
    return [str(each.value) for each in condition.operands if isinstance(each, Literal)], names


def _texts(values: Values, fixed: list[str], names: list[str]) -> list[str]:
    return [*fixed, *(value.text for name in names for value in values[name])]


def _number(request: Request, name: str) -> int | float:
    number = request.values[name][0].number
    if number is None:
        raise AssertionError("refused before conditions run")
    return number


def _number_of(literal: Literal) -> int | float:
    if isinstance(literal.value, str):
        raise BadExpression(
            literal.at,
            "a string in a comparison of numbers",
            hint='write the number without quotes; for strings there is IN ("...")',
        )
    return literal.value


def _nothing(size: int) -> Bools:
    return np.zeros(size, dtype=np.bool_)
