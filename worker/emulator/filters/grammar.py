"""The language of filter expressions: its grammar, and the tree that it becomes.

Source: the developer guide's page creating-filter-expressions, and the expressions on its pages
item-recommendation-filter-examples, action-recommendation-filter-examples and filter-real-time.
What only the data can tell (which fields exist, which hold numbers) is checked in plan.py,
what concerns an expression alone in rules.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from worker.emulator.errors import EmulatorError

# Words of the language match in any case. A field is one token, so that a data set's name may
# begin with, or be, a word of the language. AND binds tighter than OR. Terminals that begin with
# an underscore are left out of the tree.
_GRAMMAR: Final = r"""
    start: expression ("|" expression)*
    expression: ACTION TARGET _WHERE any_of [_IF all_of]
    any_of: all_of (_OR all_of)*
    all_of: condition (_AND condition)*
    condition: FIELD _operator
    _operator: membership "(" operand ("," operand)* ")"
             | membership FIELD
             | COMPARISON (operand | FIELD)
             | COMPARISON "(" operand ")"
    membership: [NOT] _IN
    operand: STRING | NUMBER | PARAMETER

    ACTION.2: /(INCLUDE|EXCLUDE)\b/i
    TARGET.2: /(ItemID|ActionID|UserID)\b/i
    NOT.2: /NOT\b/i
    _WHERE.2: /WHERE\b/i
    _AND.2: /AND\b/i
    _OR.2: /OR\b/i
    _IN.2: /IN\b/i
    _IF.2: /IF\b/i
    FIELD.3: /[A-Za-z_]\w*\s*\.\s*\w+/
    COMPARISON: "<=" | ">=" | "!=" | "=" | "<" | ">"
    STRING: /"[^"]*"|'[^']*'/
    NUMBER: /[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?(?![\w.])/i
    PARAMETER: /\$[A-Za-z0-9_]+/
    %import common.WS
    %ignore WS
"""

_NAMES: Final = {
    "ACTION": "INCLUDE or EXCLUDE",
    "TARGET": "ItemID or ActionID",
    "NOT": "NOT",
    "_WHERE": "WHERE",
    "_AND": "AND",
    "_OR": "OR",
    "_IN": "IN",
    "_IF": "IF",
    "FIELD": "a field such as Items.GENRE",
    "COMPARISON": "a comparison",
    "STRING": "a quoted string",
    "NUMBER": "a number",
    "PARAMETER": "a $PARAMETER",
    "VBAR": "|",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "$END": "the end",
}


_SHOWN_MAX: Final = 30  # characters of what was not expected
_QUOTED_PARAMETER: Final = re.compile(r"\$[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a data set; both names upper case. `at` is the position of its first letter."""

    dataset: str
    name: str
    at: int

    def __str__(self) -> str:
        return f"{self.dataset}.{self.name}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A placeholder, whose value a request gives in filterValues under `name`."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that the expression gives: a string, or a number."""

    value: str | int | float
    at: int


Operand = Field | Parameter | Literal


@dataclass(frozen=True, slots=True)
class Condition:
    """`field operator operands`; the operator is IN, NOT IN, =, !=, <, <=, > or >=."""

    field: Field
    operator: str
    operands: tuple[Operand, ...]

    @property
    def is_membership(self) -> bool:
        """Whether this is IN or NOT IN, not a comparison."""
        return self.operator.endswith("IN")


@dataclass(frozen=True, slots=True)
class Expression:
    """One INCLUDE or EXCLUDE: `any_of` groups of conditions that hold together, IF `user`."""

    include: bool
    target: str
    any_of: tuple[tuple[Condition, ...], ...]
    user: tuple[Condition, ...]
    target_at: int

    @property
    def conditions(self) -> list[Condition]:
        """The conditions on items or actions, in the order of the text."""
        return [condition for group in self.any_of for condition in group]


class BadExpression(Exception):  # noqa: N818 - caught and made an EmulatorError by whoever has both
    """Raised inside the language: what is wrong with an expression, where, and what to do."""

    def __init__(self, at: int, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.at = at
        self.reason = reason
        self.hint = hint

    def refusal(self, name: str, expression: str) -> EmulatorError:
        """Return the error that shows the place in the expression of the filter `name`."""
        before, width = 50, 90
        start = max(0, self.at - before)
        excerpt = "".join(
            char if char.isprintable() else " " for char in expression[start : start + width]
        )
        return EmulatorError(
            f"filter {name}: {self.reason}, at character {self.at + 1} of its expression\n"
            f"    {excerpt}\n    {' ' * (self.at - start)}^",
            hint=self.hint,
        )


def parse(expression: str) -> tuple[Expression, ...]:
    """Return the expressions that `|` joins. Raises BadExpression where the grammar is broken."""
    try:
        tree = _parser().parse(expression)
    except UnexpectedToken as error:
        end = error.token.type == "$END"
        raise _unexpected(
            "the expression ends" if end else f"unexpected {str(error.token)[:_SHOWN_MAX]!r}",
            len(expression.rstrip()) if end else error.token.start_pos or 0,
            error.expected,
        ) from None
    except UnexpectedCharacters as error:
        at: Any = error.pos_in_stream  # lark declares it as None, and it is a number
        unclosed = expression[at] in "\"'"
        raise _unexpected(
            "a quote that is not closed" if unclosed else f"unexpected {expression[at]!r}",
            at,
            error.allowed,
        ) from None
    return _Builder().transform(tree)


def _unexpected(what: str, at: int, expected: set[str]) -> BadExpression:
    names = sorted(_NAMES[each] for each in expected if each in _NAMES)
    return BadExpression(
        at,
        f"{what} where the language wants {' or '.join(names)}",
        hint='write it like EXCLUDE ItemID WHERE Items.GENRE IN ("a", "b") AND Items.YEAR < 2000 '
        "IF CurrentUser.AGE >= 18; join several with |; there are no parentheses for grouping",
    )


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=True)


class _Builder(Transformer[Token, tuple[Expression, ...]]):
    """Makes the tree of dataclasses; lark calls the method with a rule's name for each of its uses.

    Anonymous tokens are gone by then: children are named tokens and what the methods returned.
    """

    def start(self, children: list[Expression]) -> tuple[Expression, ...]:
        return tuple(children)

    def expression(self, children: list[Any]) -> Expression:
        action, target, any_of, user = children
        return Expression(action.upper() == "INCLUDE", target, any_of, user or (), target.start_pos)

    def any_of(self, children: list[tuple[Condition, ...]]) -> tuple[tuple[Condition, ...], ...]:
        return tuple(children)

    def all_of(self, children: list[Condition]) -> tuple[Condition, ...]:
        return tuple(children)

    def condition(self, children: list[Any]) -> Condition:
        left, operator, *rest = children
        operands = tuple(_field(each) if isinstance(each, Token) else each for each in rest)
        return Condition(_field(left), str(operator), operands)

    def membership(self, children: list[Token | None]) -> str:
        return "IN" if children[0] is None else "NOT IN"

    def operand(self, children: list[Token]) -> Operand:
        token = children[0]
        at = token.start_pos or 0
        if token.type == "PARAMETER":
            return Parameter(token[1:], at)
        if token.type == "NUMBER":
            return Literal(number(token), at)
        text = token[1:-1]
        # The guide's page filter-real-time has a placeholder in quotes: IN ("$CATEGORY")
        return Parameter(text[1:], at) if _QUOTED_PARAMETER.fullmatch(text) else Literal(text, at)


def _field(token: Token) -> Field:
    dataset, name = (part.strip().upper() for part in token.split("."))
    return Field(dataset, name, token.start_pos or 0)


def number(text: str) -> int | float:
    """Return what a number means; whole numbers that a column can hold stay exact."""
    whole = int(text) if text.lstrip("+-").isdigit() else None
    return float(text) if whole is None or abs(whole) >= 2**64 else whole
