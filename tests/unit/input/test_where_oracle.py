"""`where` selects what DuckDB selects: an independent reading of SQL, nulls included."""

from __future__ import annotations

from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.input.where import check_where, parse_where

TEXTS = ["a", "ab", "b%", "a_b", "", "A", "ä"]
NUMBERS = [-2, -1, 0, 1, 5]
DATES = [date(2026, 1, day) for day in (1, 2, 3)]
COLUMNS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "S": (pa.string(), TEXTS),
    "N": (pa.int64(), NUMBERS),
    "D": (pa.date32(), DATES),
    "B": (pa.bool_(), [True, False]),
}
LITERALS = {
    "S": st.sampled_from([f"'{text}'" for text in TEXTS]),
    "N": st.sampled_from([str(number) for number in NUMBERS]),
    "D": st.sampled_from([f"DATE '{day}'" for day in DATES]),
}
PATTERNS = st.sampled_from(["a%", "%b", "_", "a_b", "%", "", "b%%", "A%", "%_"])


@st.composite
def leaves(draw: st.DrawFn) -> str:
    """Draw a condition on one column."""
    column = draw(st.sampled_from([*LITERALS]))
    literal = LITERALS[column]
    negated = draw(st.sampled_from(["", "NOT "]))
    kind = draw(st.sampled_from(["compare", "like", "in", "between", "null", "is", "itself"]))
    match kind:
        case "compare":
            sign = draw(st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">="]))
            return f"{column} {sign} {draw(literal)}"
        case "like":
            how = draw(st.sampled_from(["LIKE", "NOT LIKE", "~~", "!~~"]))
            return f"S {how} '{draw(PATTERNS)}'"
        case "in":
            listed = draw(st.lists(literal, min_size=1, max_size=3))
            return f"{column} {negated}IN ({', '.join(listed)})"
        case "between":
            return f"{column} {negated}BETWEEN {draw(literal)} AND {draw(literal)}"
        case "null":
            return f"{column} IS {negated}NULL"
        case "is":
            return f"B IS {negated}{draw(st.sampled_from(['TRUE', 'FALSE']))}"
        case _:
            return f"{negated}B"


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({}) {} {}".format, inner, st.sampled_from(["AND", "OR"]), inner),
    ),
    max_leaves=6,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {name: st.sampled_from([*values, None]) for name, (_, values) in COLUMNS.items()}
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=300)
@given(CONDITIONS, ROWS)
def test_the_same_rows_are_selected_as_by_duckdb(
    condition: str, rows: list[dict[str, Any]]
) -> None:
    fields = [(name, kind) for name, (kind, _) in COLUMNS.items()]
    numbered = [{"ID": number, **row} for number, row in enumerate(rows)]
    table = pa.Table.from_pylist(numbered, schema=pa.schema([("ID", pa.int64()), *fields]))
    expression, _ = parse_where(condition)
    check_where(expression, condition, table.schema)
    with duckdb.connect() as connection:
        connection.register("input", table)
        found = connection.sql(f'SELECT "ID" FROM input WHERE {condition} ORDER BY 1').fetchall()  # noqa: S608 - the condition is the test's own
    assert table.filter(expression)["ID"].to_pylist() == [number for (number,) in found]
