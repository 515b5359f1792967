"""The rules that an expression has to keep whatever the data: targets, data sets, limits.

Source: the developer guide's page filter-expression-guidelines-requirements; shape
FilterExpression of botocore's personalize model for the length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from worker.emulator.filters.grammar import (
    BadExpression,
    Condition,
    Expression,
    Field,
    Literal,
    Parameter,
    parse,
)

LENGTH_MAX: Final = 2500
"""Characters of a filter expression (botocore model personalize, FilterExpression)."""

FIELDS_MAX: Final = 10
"""Distinct fields of one filter (page filter-expression-guidelines-requirements)."""

GROUP_FIELDS_MAX: Final = 20
"""Distinct fields of all filters of a dataset group together (the same page)."""

PARAMETER_LENGTH_MAX: Final = 50
"""Characters of a key of filterValues (botocore model personalize-runtime, FilterAttributeName)."""

_ALL: Final = "*"
_ALIASES: Final = {"ACTION": "ACTIONS"}  # an example of the guide has the singular
_SPELLINGS: Final = {
    "ITEMS": "Items",
    "INTERACTIONS": "Interactions",
    "ACTIONS": "Actions",
    "ACTION_INTERACTIONS": "Action_Interactions",
    "USERS": "Users",
    "CURRENTUSER": "CurrentUser",
    "CURRENTITEM": "CurrentItem",
}
_OF_TARGET: Final = {
    "ITEMID": ("ITEMS", "INTERACTIONS"),
    "ACTIONID": ("ACTIONS", "ACTION_INTERACTIONS"),
}
OF_EVENTS: Final = frozenset({"INTERACTIONS", "ACTION_INTERACTIONS"})
"""Data sets that can be filtered by event type alone."""

_STORED_IN: Final = {"CURRENTUSER": "USERS", "CURRENTITEM": "ITEMS"}
_OBEYED_ANYWAY: Final = frozenset({"ACTION_EXPIRATION_TIMESTAMP", "REPEAT_FREQUENCY"})


def dataset_of(field: Field) -> str:
    """Return which data set a field is of, upper case. Raises BadExpression for none at all."""
    known = _ALIASES.get(field.dataset, field.dataset)
    if known not in _SPELLINGS:
        raise BadExpression(
            field.at,
            f"there is no data set {field.dataset}",
            hint=f"the data sets of filters are: {', '.join(_SPELLINGS.values())}",
        )
    return known


def checked(text: str) -> tuple[Expression, ...]:
    """Return the expressions of a filter that keeps all rules. Raises BadExpression."""
    if not 1 <= len(text) <= LENGTH_MAX:
        raise BadExpression(
            min(len(text), LENGTH_MAX),
            f"the expression has {len(text)} characters",
            hint=f"an expression has 1 to {LENGTH_MAX} characters",
        )
    expressions = parse(text)
    for expression in expressions:
        _check_target(expression, expressions[0])
        _check_datasets(expression)
        for condition in [*expression.conditions, *expression.user]:
            _check_values(condition)
    distinct: set[tuple[str, str]] = set()
    for field in _fields(expressions):
        distinct.add(_stored(field))
        if len(distinct) > FIELDS_MAX:
            raise BadExpression(
                field.at,
                f"{field} is distinct field number {len(distinct)}",
                hint=f"a filter may have {FIELDS_MAX}, over all its expressions",
            )
    return expressions


def fields_of(expressions: Iterable[Expression]) -> frozenset[tuple[str, str]]:
    """Return the distinct fields of expressions that keep the rules: (data set, name)."""
    return frozenset(map(_stored, _fields(expressions)))


def _check_target(expression: Expression, first: Expression) -> None:
    if expression.target.upper() == "USERID":
        raise BadExpression(
            expression.target_at,
            "UserID is for user segments, which are made by batch jobs alone",
            hint="filter items or actions; to look at who asks, add IF CurrentUser.FIELD ... to "
            "the end of an expression",
        )
    if expression.target.upper() != first.target.upper():
        raise BadExpression(
            expression.target_at,
            f"{expression.target} after {first.target}",
            hint="one filter is for items or for actions; make two filters",
        )


def _check_datasets(expression: Expression) -> None:
    allowed = _OF_TARGET[expression.target.upper()]
    first = expression.conditions[0].field
    for condition in expression.conditions:
        field = condition.field
        dataset = dataset_of(field)
        if dataset not in allowed:
            raise BadExpression(
                field.at,
                f"{_SPELLINGS[dataset]} cannot be asked about {expression.target}",
                hint="conditions of WHERE are on "
                + " or ".join(_SPELLINGS[each] for each in allowed)
                + "; conditions on the user go to the end: IF CurrentUser.FIELD ...",
            )
        if dataset != dataset_of(first):
            raise BadExpression(
                field.at,
                f"{_SPELLINGS[dataset]} in an expression on {_SPELLINGS[dataset_of(first)]}",
                hint="AND and OR join conditions on one data set; make two expressions and join "
                "them with |",
            )
        if dataset in OF_EVENTS:
            _check_event_type(condition)
        if dataset == "ACTIONS" and field.name in _OBEYED_ANYWAY:
            raise BadExpression(
                field.at,
                f"{field}, which the service filters actions by in any case",
                hint="leave the condition out, or filter by another column",
            )
    for condition in expression.user:
        if dataset_of(condition.field) != "CURRENTUSER":
            raise BadExpression(
                condition.field.at,
                f"{condition.field} after IF",
                hint="conditions of IF are on CurrentUser; put the others behind WHERE",
            )


def _check_event_type(condition: Condition) -> None:
    if condition.field.name != "EVENT_TYPE" or not condition.is_membership:
        raise BadExpression(
            condition.field.at,
            f"{condition.field} {condition.operator}: interactions can be filtered by event type "
            "alone",
            hint=f'write {condition.field.dataset.title()}.EVENT_TYPE IN ("...") or IN ("*")',
        )


def _check_values(condition: Condition) -> None:
    for operand in condition.operands:
        match operand:
            case Field():
                _check_current_item(condition, operand)
            case Parameter():
                _check_parameter(condition, operand)
            case Literal():
                _check_literal(condition, operand)


def _check_current_item(condition: Condition, operand: Field) -> None:
    if dataset_of(operand) != "CURRENTITEM" or dataset_of(condition.field) != "ITEMS":
        raise BadExpression(
            operand.at,
            f"{condition.field} against {operand}",
            hint="the one field that another can be compared with is CurrentItem.FIELD, and only "
            "Items.FIELD can be",
        )


def _check_parameter(condition: Condition, operand: Parameter) -> None:
    if condition.operator == "NOT IN":
        raise BadExpression(
            operand.at,
            f"placeholder ${operand.name} with NOT IN",
            hint="use IN with the opposite action: EXCLUDE ... IN ($P) for INCLUDE ... NOT IN ($P)",
        )
    if len(operand.name) > PARAMETER_LENGTH_MAX:
        raise BadExpression(
            operand.at,
            f"a placeholder with a name of {len(operand.name)} characters",
            hint=f"keys of filterValues have at most {PARAMETER_LENGTH_MAX}",
        )


def _check_literal(condition: Condition, operand: Literal) -> None:
    is_text = isinstance(operand.value, str)
    if condition.is_membership and not is_text:
        raise BadExpression(
            operand.at,
            f"a number in the list of {condition.operator}",
            hint=f'lists hold quoted strings: "{operand.value}"; compare numbers with = != < >',
        )
    if operand.value == _ALL and dataset_of(condition.field) not in OF_EVENTS:
        raise BadExpression(
            operand.at,
            f'"*" as a value of {condition.field}',
            hint='"*" stands for all event types, in Interactions.EVENT_TYPE IN ("*")',
        )


def _fields(expressions: Iterable[Expression]) -> Iterator[Field]:
    for expression in expressions:
        for condition in [*expression.conditions, *expression.user]:
            yield condition.field
            yield from (operand for operand in condition.operands if isinstance(operand, Field))


def _stored(field: Field) -> tuple[str, str]:
    dataset = dataset_of(field)
    return _STORED_IN.get(dataset, dataset), field.name
