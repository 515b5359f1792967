"""Conditions and rows of every type, by chance, for `where` and DuckDB to agree on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_TEXTS = ["a", "ab", "b%", "a_b", "", "A", "ä", "a\\b", "a\nb", "日本", "\\%", "aé", "it''s", ".*"]
_PATTERNS = [
    "a%",
    "%b",
    "_",
    "a_b",
    "%",
    "",
    "b%%",
    "%_",
    "a\\%",
    "\\%",
    "a\\_b",
    "日_",
    "%.%",
    "a__",
]
_WHOLE = ["-129", "-1", "-0", "0", "1", "5", "127", "128", "16777217", "9007199254740993"]
_WHOLE += ["-9223372036854775808", "9223372036854775807", "9223372036854775809"]
_WHOLE += ["18446744073709551615", "99999999999999999999999"]
_BROKEN = [
    "0.0",
    "-0.0",
    "0.1",
    "1.5",
    "99.5",
    "5.",
    ".5",
    "-1.25",
    "16777217.5",
    "1.0000000000000001",
]
_DOUBLES = [
    "0e0",
    "-0e0",
    "1e-1",
    "1.6e9",
    "1e300",
    "-1e300",
    "1.5e0",
    "1e39",
    "9007199254740993e0",
]
_FLOATS = [math.nan, -0.0, 0.0, 0.1, 1.5, -1.5, math.inf, -math.inf, 1e-40, 16777216.0, None]
_MOMENTS_US = [
    0,
    1,
    -1,
    86_400_000_000,
    86_400_000_001,
    1_767_225_600_000_000,
    253_402_214_400_000_000,
]
_DAYS = ["1969-12-31", "1970-01-01", "1970-01-02", "2026-01-01", "9999-12-31", "0001-01-01"]
_BIG = 1 << 63


@dataclass(frozen=True)
class Sort:
    """Columns of an Arrow type: values that rows have, and what conditions compare them with."""

    kind: pa.DataType
    values: list[Any]
    literals: list[str]


def _whole(kind: pa.DataType, low: int, high: int) -> Sort:
    return Sort(kind, [low, high, 0, 1, 5, 100], _WHOLE + _BROKEN + _DOUBLES)


def _moments(kind: pa.DataType, per_us: float, literals: list[str]) -> Sort:
    counts = {int(us * per_us) for us in _MOMENTS_US if abs(us * per_us) < _BIG}
    return Sort(kind, sorted(counts), literals)


def _written(us: int) -> str:
    return (_FIRST + timedelta(microseconds=us)).replace(tzinfo=None).isoformat(" ", "microseconds")


_TIMES = [f"TIMESTAMP '{_written(us)}'" for us in _MOMENTS_US]
_INSTANTS = [f"TIMESTAMPTZ '{_written(us)}+00:00'" for us in _MOMENTS_US]
_INSTANTS += ["TIMESTAMPTZ '1970-01-01 02:00:00+02:00'"]
_DATES = [f"DATE '{day}'" for day in _DAYS]
_QUOTED = [f"'{text}'" for text in _TEXTS]
_PLAIN = [text.replace("''", "'") for text in _TEXTS]

SORTS: dict[str, Sort] = {
    "S": Sort(pa.string(), _PLAIN, _QUOTED),
    "LS": Sort(pa.large_string(), _PLAIN, _QUOTED),
    "DS": Sort(pa.dictionary(pa.int32(), pa.string()), _PLAIN, _QUOTED),
    "I8": _whole(pa.int8(), -128, 127),
    "I16": _whole(pa.int16(), -(1 << 15), (1 << 15) - 1),
    "I32": _whole(pa.int32(), -(1 << 31), (1 << 31) - 1),
    "I64": _whole(pa.int64(), -_BIG, _BIG - 1),
    "U8": _whole(pa.uint8(), 0, 255),
    "U64": _whole(pa.uint64(), _BIG + 1, 2 * _BIG - 1),
    "F": Sort(pa.float32(), _FLOATS, _WHOLE + _BROKEN + _DOUBLES),
    "G": Sort(pa.float64(), [*_FLOATS, 9007199254740992.0, 1e300], _WHOLE + _BROKEN + _DOUBLES),
    "P": Sort(
        pa.decimal128(10, 2),
        [Decimal(text) for text in ("0", "-1.25", "9.99", "20", "99.5", "99999999.99", "0.1")],
        _WHOLE + _BROKEN + _DOUBLES,
    ),
    "Q": Sort(
        pa.decimal128(38, 10),
        [Decimal(text) for text in ("0", "0.1", "-0.0000000001", "1234567890123456789012345678")],
        _WHOLE + _BROKEN + _DOUBLES,
    ),
    "D": Sort(pa.date32(), [date.fromisoformat(day) for day in _DAYS], [*_DATES, *_TIMES]),
    "TS": _moments(pa.timestamp("s"), 1e-6, [*_DATES, *_TIMES]),
    "TM": _moments(pa.timestamp("ms"), 1e-3, [*_DATES, *_TIMES]),
    "TU": _moments(pa.timestamp("us"), 1, [*_DATES, *_TIMES]),
    "TN": _moments(pa.timestamp("ns"), 1e3, [*_DATES, *_TIMES]),
    "Z": _moments(pa.timestamp("us", "UTC"), 1, _INSTANTS),
    "ZB": _moments(pa.timestamp("ms", "Europe/Berlin"), 1e-3, _INSTANTS),
    "ZN": _moments(pa.timestamp("ns", "UTC"), 1e3, _INSTANTS),
    "N": Sort(pa.null(), [None], ["1", "1.5", "0e0"]),
    "B": Sort(pa.bool_(), [True, False], ["TRUE", "FALSE"]),
}
TEXTS = ("S", "LS", "DS")
ALIKE = (  # columns that may be compared with each other
    ("I8", "I16", "I32", "I64", "U8", "U64", "F", "G", "P"),
    ("S", "LS", "DS"),
    ("D", "TS", "TM", "TU"),
)


@st.composite
def leaves(draw: st.DrawFn, names: tuple[str, ...]) -> str:
    """Draw a condition on one column, or on two."""
    column = draw(st.sampled_from(names))
    literal = st.sampled_from(SORTS[column].literals)
    negated = draw(st.sampled_from(["", "NOT "]))
    sign = draw(st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="]))
    kinds = ["compare", "flipped", "columns", "in", "between", "within", "null"]
    kinds += ["like"] * 3 if column in TEXTS else []
    kinds += ["itself", "is"] if column == "B" else []
    match draw(st.sampled_from(kinds)):
        case "compare":
            return f"{column} {sign} {draw(literal)}"
        case "flipped":
            return f"{draw(literal)} {sign} {column}"
        case "columns":
            alike = next((each for each in ALIKE if column in each), (column,))
            others = [name for name in alike if name in names]
            return f"{column} {sign} {draw(st.sampled_from(others))}"
        case "like":
            how = draw(st.sampled_from(["LIKE", "NOT LIKE", "~~", "!~~"]))
            return f"{column} {how} '{draw(st.sampled_from(_PATTERNS))}'"
        case "in":
            listed = draw(st.lists(literal, min_size=1, max_size=3))
            return f"{column} {negated}IN ({', '.join(listed)})"
        case "between":
            alike = next((each for each in ALIKE if column in each), (column,))
            bound = literal | st.sampled_from([name for name in alike if name in names])
            low, high = draw(st.permutations([column, draw(bound)]))
            return f"{draw(literal)} {negated}BETWEEN {low} AND {high}"
        case "within":
            return f"{column} {negated}BETWEEN {draw(literal)} AND {draw(literal)}"
        case "null":
            return f"{column} IS {negated}NULL"
        case "is":
            return f"B IS {negated}{draw(st.sampled_from(['TRUE', 'FALSE']))}"
        case _:
            return f"{negated}B"


@st.composite
def cases(draw: st.DrawFn) -> tuple[pa.Table, str]:
    """Draw a table of a few columns, numbered in ID, and a condition on them."""
    names = tuple(draw(st.lists(st.sampled_from([*SORTS]), min_size=1, max_size=3, unique=True)))
    conditions = st.recursive(
        leaves(names),
        lambda inner: st.one_of(
            st.builds("NOT ({})".format, inner),
            st.builds("({}) {} {}".format, inner, st.sampled_from(["AND", "OR"]), inner),
            st.builds("({}) IS {}".format, inner, st.sampled_from(["NULL", "NOT TRUE", "FALSE"])),
        ),
        max_leaves=5,
    )
    rows = draw(st.integers(1, 20))
    columns: dict[str, Any] = {"ID": pa.array(range(rows), pa.int64())}
    for name in names:
        # A column of few values makes row groups of one value, of nulls, of NaN.
        few = st.lists(st.sampled_from([*SORTS[name].values, None]), min_size=1, max_size=5)
        values = st.sampled_from(draw(few))
        listed = draw(st.lists(values, min_size=rows, max_size=rows))
        columns[name] = pa.array(listed, SORTS[name].kind)
    return pa.table(columns), draw(conditions)
