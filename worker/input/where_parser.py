"""`input.where`: a SQL condition, read by a SQL parser; what is not understood is refused."""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import sqlglot
from sqlglot import expressions as sql

from worker.errors import ConfigError
from worker.input import condition as meant
from worker.input._comparable import UnlikeError
from worker.input._surface import check_surface
from worker.input._where_filter import selected
from worker.input.condition import Kind

WHERE_CHARS_MAX = 10_000
_DIGITS_MAX = 38  # of a number that is compared exactly
_SIGNS: dict[type[sql.Expr], meant.Sign] = {
    sql.EQ: "=",
    sql.NEQ: "<>",
    sql.LT: "<",
    sql.LTE: "<=",
    sql.GT: ">",
    sql.GTE: ">=",
}

# What of each node is read here. Any other argument that the parser sets is refused by name.
_READ: dict[type[sql.Expr], frozenset[str]] = {
    sql.Between: frozenset({"this", "low", "high"}),
    sql.In: frozenset({"this", "expressions"}),
    sql.Like: frozenset({"this", "expression", "negate"}),
    sql.Literal: frozenset({"this", "is_string"}),
    sql.Cast: frozenset({"this", "to"}),
    **dict.fromkeys((sql.Not, sql.Paren, sql.Column, sql.Boolean, sql.Neg), frozenset({"this"})),
    **dict.fromkeys((sql.Is, sql.And, sql.Or, *_SIGNS), frozenset({"this", "expression"})),
}
_WHOLE = re.compile(r"[0-9]+")
_DECIMAL = re.compile(r"[0-9]*\.[0-9]*")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
_TIME = re.compile(rf"{_DAY.pattern}({_CLOCK})?")
_INSTANT = re.compile(_DAY.pattern + _CLOCK + r"(Z|[+-][0-9]{2}(:[0-9]{2})?)")


def parse_where(where: str) -> meant.Where:
    """Return what a SQL condition means.

    Understood: = <> < <= > >=, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, IS TRUE, and to compare
    with: columns, strings, numbers, TRUE, FALSE, DATE '2026-11-21', TIMESTAMP '2026-11-21
    05:30:00', TIMESTAMPTZ '2026-11-21 05:30:00+00:00'. A row where the condition is NULL is not
    selected, as in SQL. Raises ConfigError otherwise.
    """
    if len(where) > WHERE_CHARS_MAX:
        raise _unusable(where[:60], f"it is longer than {WHERE_CHARS_MAX} characters")
    try:
        check_surface(where)
        tree = sqlglot.parse_one(where, into=sql.Condition)
        names = [column.name for column in tree.find_all(sql.Column)]
        condition = _condition(tree)
    except sqlglot.errors.SqlglotError as error:
        raise _unusable(where, _parsers_reason(error)) from None
    except RecursionError:
        raise _unusable(where, "it is nested too deeply") from None
    except (ValueError, OverflowError) as error:
        raise _unusable(where, str(error)) from None
    if not names:
        raise _unusable(where, "it names no column")
    return meant.Where(where, tuple(dict.fromkeys(names)), condition)


def check_where(where: meant.Where, schema: pa.Schema) -> None:
    """Raise ConfigError when the condition compares a column with a value of another type."""
    fields = pa.schema([schema.field(name) for name in where.columns])
    nothing = [pa.nulls(0, field.type) for field in fields]
    try:
        selected(where, pa.RecordBatch.from_arrays(nothing, schema=fields))
    except (UnlikeError, RecursionError, pa.ArrowException) as error:
        types = ", ".join(f"{field.name}: {field.type}" for field in fields)
        raise ConfigError(
            f"input.where does not fit the columns: {where.text}\n  {str(error).splitlines()[0]}",
            hint=f"compare like with like; the columns are {types}",
        ) from None


def _unusable(where: str, reason: str) -> ConfigError:
    return ConfigError(
        f"input.where is not a condition this program understands: {where}\n  {reason}",
        hint="write for example ACTIVITY = 'heavy' AND AGE >= 18; strings in single quotes, "
        "odd column names in double quotes",
    )


def _parsers_reason(error: sqlglot.errors.SqlglotError) -> str:
    """Return in words what the parser gives up at: it speaks of its classes, and in colours."""
    for detail in getattr(error, "errors", ()):
        if at := detail.get("highlight"):
            return f"it cannot be read from {at!r} on"
    if isinstance(error, sqlglot.errors.TokenError):
        return "a quote, or a comment, has no end, or there is a sign that SQL does not have"
    return "it cannot be read"


def _condition(node: sql.Expr) -> meant.Condition:
    _refuse_unread(node)
    match node:
        case sql.Paren():
            return _condition(node.this)
        case sql.Not():
            return meant.Not(_condition(node.this))
        case sql.And() | sql.Or():
            parts = tuple(_condition(part) for part in node.flatten(unnest=False))
            return meant.And(parts) if isinstance(node, sql.And) else meant.Or(parts)
        case sql.Column():
            return meant.Holds(_column(node))
        case sql.Boolean():
            return meant.Always(bool(node.this))
        case sql.Is():
            return _is(node)
        case sql.In() if node.expressions:
            values = tuple(_constant(part) for part in node.expressions)
            return meant.In(_column(node.this), values)
        case sql.Between():
            return _between(node)
        case sql.Like():
            return _like(node)
        case _:
            return _comparison(node)


def _comparison(node: sql.Expr) -> meant.Condition:
    sign = _SIGNS.get(type(node))
    if sign is None:
        raise ValueError(f"{node.sql()} is not understood here")
    left, right = _operand(node.args["this"]), _operand(node.args["expression"])
    return meant.Compare(sign, left, right, (left, right))


def _like(node: sql.Like) -> meant.Condition:
    pattern = _constant(node.expression)
    if pattern.kind is not Kind.TEXT:
        raise ValueError(f"{node.sql()} has a pattern that is no string")
    like = meant.Like(_column(node.this), str(pattern.value))
    return meant.Not(like) if node.args.get("negate") else like


def _is(node: sql.Is) -> meant.Condition:
    what, of = node.expression, node.this
    if isinstance(what, sql.Null):
        column = of.unnest()
        if isinstance(column, sql.Column):
            return meant.IsNull(_column(column))
        return meant.IsUnknown(_condition(of))
    if isinstance(what, sql.Boolean):
        return meant.Is(_condition(of), bool(what.this))
    raise ValueError(f"{node.sql()} is not understood here")


def _between(node: sql.Between) -> meant.Condition:
    value, low, high = (_operand(node.args[name]) for name in ("this", "low", "high"))
    among = (value, low, high)
    parts = meant.Compare(">=", value, low, among), meant.Compare("<=", value, high, among)
    return meant.And(parts)


def _refuse_unread(node: sql.Expr) -> None:
    """Raise ValueError when the parser says something of a node that is not read here.

    A newer parser may say as a flag of a node what was a node of its own before: NOT, for one.
    """
    read = _READ.get(type(node), frozenset())
    unread = [name for name, value in node.args.items() if value and name not in read]
    if unread:
        raise ValueError(f"{node.sql()} is not understood here")


def _operand(node: sql.Expr) -> meant.Operand:
    """Return a column or a constant; raise ValueError for a condition, which no sign compares."""
    inner = node.unnest()
    return _column(inner) if isinstance(inner, sql.Column) else _constant(inner)


def _column(node: sql.Expr) -> meant.Column:
    column = node.unnest()
    _refuse_unread(column)
    if not isinstance(column, sql.Column):
        raise ValueError(f"{node.sql()} stands where a column is to be")  # noqa: TRY004 - of SQL
    return meant.Column(column.name)


def _constant(node: sql.Expr) -> meant.Constant:
    node = node.unnest()
    _refuse_unread(node)
    match node:
        case sql.Literal() if node.is_string:
            return meant.Constant(Kind.TEXT, str(node.this))
        case sql.Literal():
            return _number(str(node.this))
        case sql.Neg() if isinstance(node.this.unnest(), sql.Literal):
            number = _constant(node.this)
            if not isinstance(number.value, str):
                return meant.Constant(number.kind, -number.value)
        case sql.Boolean():
            return meant.Constant(Kind.TRUTH, bool(node.this))
        case sql.Cast(this=sql.Literal(is_string=True)):
            return _moment(node, str(node.this.this))
        case _:
            pass
    raise ValueError(f"{node.sql()} is not understood here")


def _number(text: str) -> meant.Constant:
    digits = len(text.replace(".", "").lstrip("0"))
    if _WHOLE.fullmatch(text):
        if digits > _DIGITS_MAX:
            raise ValueError(f"{text} has more than {_DIGITS_MAX} digits; write it as 1e40")
        return meant.Constant(Kind.WHOLE, int(text))
    if _DECIMAL.fullmatch(text) and len(text) - 1 <= _DIGITS_MAX:
        return meant.Constant(Kind.DECIMAL, Decimal(text))
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond all numbers")
    return meant.Constant(Kind.DOUBLE, number)


def _moment(node: sql.Cast, text: str) -> meant.Constant:
    if node.to.this is sql.DataType.Type.DATE and _DAY.fullmatch(text):
        return meant.Constant(Kind.DAY, (date.fromisoformat(text) - date(1970, 1, 1)).days)
    if node.to.is_type("timestamp", "datetime") and _TIME.fullmatch(text):
        return meant.Constant(Kind.LOCAL_TIME, _us(datetime.fromisoformat(text + _utc(text))))
    if node.to.is_type("timestamptz") and _INSTANT.fullmatch(text):
        return meant.Constant(Kind.INSTANT, _us(datetime.fromisoformat(text)))
    raise ValueError(
        f"{node.sql()} is not understood here; write DATE '2026-11-21', "
        "TIMESTAMP '2026-11-21 05:30:00' (six decimals at most), "
        "or with a time zone TIMESTAMPTZ '2026-11-21 05:30:00+00:00'"
    )


def _utc(text: str) -> str:
    return "+00:00" if ":" in text else " 00:00+00:00"


def _us(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
