"""A condition on rows, as `input.where` gives it: its words, without SQL and without Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum
from typing import Literal as OneOf


class Kind(IntEnum):
    """What is compared with what; of the numbers, a later one is what both are compared as."""

    WHOLE = 1
    DECIMAL = 2
    SINGLE = 3  # float of 32 bits
    DOUBLE = 4
    TEXT = 5
    TRUTH = 6
    DAY = 7
    LOCAL_TIME = 8  # a timestamp without a time zone
    INSTANT = 9  # a timestamp with one
    NOTHING = 10  # a column of nulls


@dataclass(frozen=True, slots=True)
class Column:
    """A column's value."""

    name: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: days since 1970 for a DAY, microseconds for LOCAL_TIME and INSTANT."""

    kind: Kind
    value: str | int | float | bool | Decimal


Operand = Column | Constant
Sign = OneOf["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Compare:
    """`left sign right`. What both are compared as follows from all of `among`, as in BETWEEN."""

    sign: Sign
    left: Operand
    right: Operand
    among: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class In:
    """`column IN (values)`."""

    column: Column
    values: tuple[Constant, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """`column LIKE pattern`: % is any text, _ any one character, and nothing is an escape."""

    column: Column
    pattern: str


@dataclass(frozen=True, slots=True)
class Holds:
    """A column of truth values, as a condition."""

    column: Column


@dataclass(frozen=True, slots=True)
class Always:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True, slots=True)
class IsNull:
    """`column IS NULL`."""

    column: Column


@dataclass(frozen=True, slots=True)
class IsUnknown:
    """`(condition) IS NULL`."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class Is:
    """`condition IS TRUE`, or FALSE: never null itself."""

    condition: Condition
    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    """`NOT condition`."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class And:
    """`a AND b AND ...`."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`a OR b OR ...`."""

    parts: tuple[Condition, ...]


Leaf = Compare | In | Like | Holds | Always
Condition = Leaf | IsNull | IsUnknown | Is | Not | And | Or


@dataclass(frozen=True, slots=True)
class Where:
    """`input.where`: what was written, the columns that it reads, and what it means."""

    text: str
    columns: tuple[str, ...]
    condition: Condition


def columns_of(leaf: Leaf) -> tuple[str, ...]:
    """Return the columns that a leaf reads, each once."""
    match leaf:
        case Compare():
            operands: tuple[Operand, ...] = leaf.among
        case In() | Like() | Holds():
            operands = (leaf.column,)
        case Always():
            operands = ()
    return tuple(dict.fromkeys(each.name for each in operands if isinstance(each, Column)))
