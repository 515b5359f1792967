"""`input.where`: a SQL condition -> an Arrow expression, which Parquet can skip row groups by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc
import sqlglot
from sqlglot import expressions as sql

from worker.errors import ConfigError

WHERE_CHARS_MAX = 10_000
_COMPARISONS: dict[type[sql.Expr], Callable[[pc.Expression, pc.Expression], pc.Expression]] = {
    sql.EQ: lambda left, right: left == right,
    sql.NEQ: lambda left, right: left != right,
    sql.LT: lambda left, right: left < right,
    sql.LTE: lambda left, right: left <= right,
    sql.GT: lambda left, right: left > right,
    sql.GTE: lambda left, right: left >= right,
    sql.And: lambda left, right: left & right,
    sql.Or: lambda left, right: left | right,
}

_SIGNS = (sql.EQ, sql.NEQ, sql.LT, sql.LTE, sql.GT, sql.GTE)
_CONDITIONS = (*_SIGNS, sql.Is, sql.In, sql.Like, sql.Between, sql.Not, sql.And, sql.Or)

# What of each node is read here. Any other argument that the parser sets is refused by name.
_READ: dict[type[sql.Expr], frozenset[str]] = {
    sql.Between: frozenset({"this", "low", "high"}),
    sql.In: frozenset({"this", "expressions"}),
    sql.Like: frozenset({"this", "expression", "negate"}),
    sql.Literal: frozenset({"this", "is_string"}),
    sql.Cast: frozenset({"this", "to"}),
    **dict.fromkeys((sql.Not, sql.Paren, sql.Column, sql.Boolean, sql.Neg), frozenset({"this"})),
    **dict.fromkeys((sql.Is, *_COMPARISONS), frozenset({"this", "expression"})),
}


def parse_where(where: str) -> tuple[pc.Expression, tuple[str, ...]]:
    """Return the Arrow expression of a SQL condition, and the columns that it reads.

    Understood: = <> < <= > >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, IS TRUE, and to compare
    with: strings, numbers, TRUE, FALSE, DATE '2026-11-21', TIMESTAMP '2026-11-21 05:30:00'.
    A row where the condition is NULL is not selected, as in SQL. Raises ConfigError otherwise.
    """
    if len(where) > WHERE_CHARS_MAX:
        raise _unusable(where[:60], f"it is longer than {WHERE_CHARS_MAX} characters")
    try:
        tree = sqlglot.parse_one(where, into=sql.Condition)
        names = [column.name for column in tree.find_all(sql.Column)]
        expression = _expression(tree)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        # The parser decorates its message with terminal codes; its details are plain.
        details = getattr(error, "errors", None)
        reason = details[0]["description"] if details else type(error).__name__
        raise _unusable(where, reason) from None
    except (ValueError, OverflowError, pa.ArrowException) as error:
        raise _unusable(where, str(error)) from None
    if not names:
        raise _unusable(where, "it names no column")
    return expression, tuple(dict.fromkeys(names))


def check_where(expression: pc.Expression, where: str, schema: pa.Schema) -> None:
    """Raise ConfigError when the expression compares a column with a value of another type."""
    try:
        pa.Table.from_pylist([{}], schema=schema).filter(expression)  # one row, so that it runs
    except pa.ArrowException as error:
        types = ", ".join(f"{field.name}: {field.type}" for field in schema)
        raise ConfigError(
            f"input.where does not fit the columns: {where}\n  {str(error).splitlines()[0]}",
            hint=f"compare like with like; the columns are {types}",
        ) from None


def _unusable(where: str, reason: str) -> ConfigError:
    return ConfigError(
        f"input.where is not a condition this program understands: {where}\n  {reason}",
        hint="write for example ACTIVITY = 'heavy' AND AGE >= 18; strings in single quotes, "
        "odd column names in double quotes",
    )


def _expression(node: sql.Expr) -> pc.Expression:
    _refuse_unread(node)
    _refuse_unclear(node)
    if combine := _COMPARISONS.get(type(node)):
        return combine(_expression(node.args["this"]), _expression(node.args["expression"]))
    match node:
        case sql.Paren():
            return _expression(node.this)
        case sql.Not():
            return ~_expression(node.this)
        case sql.Column():
            return pc.field(node.name)
        case sql.Is() if isinstance(node.expression, sql.Null):
            return _expression(node.this).is_null()
        case sql.Is() if isinstance(node.expression, sql.Boolean):
            same = _expression(node.this) == _value(node.expression)
            never_null: pc.Expression = pc.if_else(same.is_valid(), same, pc.scalar(value=False))
            return never_null
        case sql.In() if node.expressions:
            # is_in() answers false for null, SQL answers NULL, which NOT must not turn into true.
            column = _expression(node.this)
            found = column.isin(_alike(node))
            answer: pc.Expression = pc.if_else(
                column.is_valid(), found, pa.scalar(None, pa.bool_())
            )
            return answer
        case sql.Between():
            value = _expression(node.this)
            return (value >= _expression(node.args["low"])) & (
                value <= _expression(node.args["high"])
            )
        case sql.Like():
            pattern = str(_value(node.expression))
            is_like = pc.match_like(_expression(node.this), pattern)
            return ~is_like if node.args.get("negate") else is_like
        case _:
            return pc.scalar(_value(node))  # type: ignore[arg-type] # dates too, which the stubs leave out


def _refuse_unread(node: sql.Expr) -> None:
    """Raise ValueError when the parser says something of a node that is not read here.

    A newer parser may say as a flag of a node what was a node of its own before: NOT, for one.
    """
    read = _READ.get(type(node), frozenset())
    unread = [name for name, value in node.args.items() if value and name not in read]
    if unread:
        raise ValueError(f"{node.sql()} is not understood here")


def _refuse_unclear(node: sql.Expr) -> None:
    """Raise ValueError where a sign compares a condition: `B = TRUE IS NULL`, say.

    The parser reads the right side first, which SQL does not, and puts brackets round it itself.
    """
    if isinstance(node, _SIGNS):
        compared = (node.args["this"].unnest(), node.args["expression"].unnest())
        if any(isinstance(part, _CONDITIONS) for part in compared):
            raise ValueError(f"{node.sql()} compares a condition; compare columns with values")


def _alike(node: sql.In) -> list[str | int | float | bool | date | datetime]:
    """Return the values of a list; raise ValueError when they are of several kinds.

    Arrow would take all for what the first is, and cut a timestamp to a date.
    """
    values = [_value(part) for part in node.expressions]
    kinds = sorted({type(value).__name__ for value in values})
    if len(kinds) > 1:
        raise ValueError(f"{node.sql()} lists values of several kinds: {', '.join(kinds)}")
    return values


def _value(node: sql.Expr) -> str | int | float | bool | date | datetime:
    _refuse_unread(node)
    match node:
        case sql.Literal() if node.is_string:
            return str(node.this)
        case sql.Literal():
            text = str(node.this)
            return int(text) if text.lstrip("-").isdigit() else float(text)
        case sql.Boolean():
            return bool(node.this)
        case sql.Cast(this=sql.Literal(is_string=True)) if node.to.this is sql.DataType.Type.DATE:
            return date.fromisoformat(str(node.this.this))
        case sql.Cast(this=sql.Literal(is_string=True)) if node.to.is_type("timestamp", "datetime"):
            return datetime.fromisoformat(str(node.this.this))
        case sql.Neg() if isinstance(node.this, sql.Literal) and not node.this.is_string:
            value = _value(node.this)
            return -value if isinstance(value, (int, float)) else value
        case _:
            raise ValueError(f"{node.sql()} is not understood here")
