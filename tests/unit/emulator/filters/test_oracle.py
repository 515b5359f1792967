"""Filters against an oracle that goes row by row: random expressions over random small data."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import patch

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.emulator.filters.filter_data import compile_filter, made

from worker.emulator.filters import index

STEADY = settings(derandomize=True, max_examples=400)
USERS, ITEMS, RECENT = 2, 6, 2
COMPARE: Final = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Row = dict[str, Any]


@dataclass
class Cond:
    """A condition; `values` are strings for IN, one number for a comparison, or a field's name."""

    dataset: str
    field: str
    op: str
    values: list[str] | float | str
    parameter: str | None

    def text(self) -> str:
        if isinstance(self.values, str):
            return f"{self.dataset}.{self.field} {self.op} CurrentItem.{self.values}"
        if isinstance(self.values, list):
            inside = [f'"{value}"' for value in self.values]
            inside = [f"${self.parameter}"] if self.parameter else inside
            return f"{self.dataset}.{self.field} {self.op} ({', '.join(inside)})"
        value = f"${self.parameter}" if self.parameter else str(self.values)
        return f"{self.dataset}.{self.field} {self.op} {value}"

    def given(self) -> str:
        if isinstance(self.values, list):
            return ",".join(f'"{value}"' for value in self.values)
        return str(self.values)

    def holds(self, row: Row, current: Row | None) -> bool:
        values: Any = self.values
        if isinstance(values, str):
            values = None if current is None else current[values]
        cell = row[self.field]
        if is_null(cell) or is_null(values):
            return False
        if self.op in COMPARE:
            return bool(COMPARE[self.op](cell, values))
        wanted = values if isinstance(values, list) else written(values)
        shared = any(value in wanted for value in written(cell))
        return shared == (self.op == "IN")


@dataclass
class Expr:
    include: bool
    any_of: list[list[Cond]]
    user: list[Cond]

    def text(self) -> str:
        groups = [" AND ".join(cond.text() for cond in group) for group in self.any_of]
        where = " OR ".join(groups)
        end = " IF " + " AND ".join(cond.text() for cond in self.user) if self.user else ""
        return f"{'INCLUDE' if self.include else 'EXCLUDE'} ItemID WHERE {where}{end}"

    def conds(self) -> Iterable[Cond]:
        return [*(cond for group in self.any_of for cond in group), *self.user]


def written(cell: str | float) -> list[str]:
    return cell.split("|") if isinstance(cell, str) else [f"{cell:g}"]


def is_null(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


TEXT = st.sampled_from(["a", "b", "A", "1"])
CELL = st.none() | st.lists(TEXT, min_size=1, max_size=3).map("|".join)
INT = st.none() | st.integers(-2, 2)
FLOAT = st.none() | st.sampled_from([-1.5, 0.0, 1.0, math.nan])
EVENT = st.sampled_from(["watch", "WATCH", "buy", None])
NUMBER = st.integers(-2, 2) | st.sampled_from([-1.5, 0.5, 1.0])
LIST = st.lists(TEXT, min_size=1, max_size=3)


@st.composite
def conditions(draw: st.DrawFn, dataset: str) -> Cond:
    if dataset == "Interactions":
        types = st.sampled_from(["watch", "Buy", "*", "other"])
        values = draw(st.lists(types, min_size=1, max_size=2))
        return Cond(dataset, "EVENT_TYPE", draw(st.sampled_from(["IN", "NOT IN"])), values, None)
    if draw(st.booleans()):
        field = draw(st.sampled_from(["G", "H", "N", "F"]))
        member = draw(st.sampled_from(["IN", "NOT IN"]))
        if dataset == "Items" and draw(st.booleans()):
            return Cond(dataset, field, member, draw(st.sampled_from(["G", "H", "N", "F"])), None)
        return Cond(dataset, field, member, draw(LIST), None)
    compared = draw(st.sampled_from(["N", "F"]))
    comparison = draw(st.sampled_from(sorted(COMPARE)))
    if dataset == "Items" and draw(st.booleans()):
        return Cond(dataset, compared, comparison, draw(st.sampled_from(["N", "F"])), None)
    return Cond(dataset, compared, comparison, draw(NUMBER), None)


@st.composite
def filters(draw: st.DrawFn) -> list[Expr]:
    exprs = []
    for _ in range(draw(st.integers(1, 3))):
        dataset = draw(st.sampled_from(["Items", "Interactions"]))
        group = st.lists(conditions(dataset), min_size=1, max_size=2)
        any_of = draw(st.lists(group, min_size=1, max_size=2))
        user = draw(st.just([]) | st.lists(conditions("CurrentUser"), min_size=1, max_size=2))
        exprs.append(Expr(draw(st.booleans()), any_of, user))
    count = 0
    for cond in (cond for expr in exprs for cond in expr.conds()):
        if cond.op != "NOT IN" and not isinstance(cond.values, str) and draw(st.booleans()):
            cond.parameter = f"P{count}"
            count += 1
    return exprs


def made_columns(rows: int) -> st.SearchStrategy[dict[str, pa.Array[Any]]]:
    def of(cells: st.SearchStrategy[Any], kind: Any) -> st.SearchStrategy[Any]:
        column = st.lists(cells, min_size=rows, max_size=rows)
        return column.map(lambda values: pa.array(values, kind, from_pandas=False))

    return st.fixed_dictionaries(
        {
            "G": of(CELL, pa.string()),
            "h": of(CELL, pa.large_string()),
            "N": of(INT, pa.int32()),
            "F": of(FLOAT, pa.float64()),
        }
    )


def rows_of(table: dict[str, pa.Array[Any]]) -> list[Row]:
    names = [name.upper() for name in table]
    cells = [column.to_pylist() for column in table.values()]
    return [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]


Event = tuple[int, int, int, str | None]


def seen_types(events: list[Event], user: int | None, item: int) -> set[str | None]:
    """The types of a user's latest interactions that were with an item; None is no type."""
    own = [(each[3] and each[3].lower(), each[2], each[1]) for each in events if each[0] == user]
    seen = set()
    for kind in {each[0] for each in own}:
        latest = sorted((each[1:] for each in own if each[0] == kind), reverse=True)[:RECENT]
        seen |= {kind for _, touched in latest if touched == item}
    return seen


def event_holds(cond: Cond, seen: set[str | None]) -> bool:
    assert isinstance(cond.values, list)
    wanted = {value.lower() for value in cond.values}
    matched = bool(seen) if "*" in wanted else bool(wanted & seen)
    return bool(seen) and matched == (cond.op == "IN")


@STEADY
@given(
    exprs=filters(),
    items=made_columns(ITEMS),
    users=made_columns(USERS),
    events=st.lists(
        st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1), st.integers(0, 4), EVENT),
        min_size=12,
        max_size=25,
    ),
    user=st.sampled_from([None, *range(USERS), *range(USERS)]),
    item=st.none() | st.integers(0, ITEMS - 1),
    left_out=st.booleans(),
)
def test_masks_are_those_of_going_row_by_row(
    exprs: list[Expr],
    items: dict[str, pa.Array[Any]],
    users: dict[str, pa.Array[Any]],
    events: list[Event],
    user: int | None,
    item: int | None,
    left_out: bool,
) -> None:
    events = [*events, (0, 0, 9, "watch")]  # so that there are event types
    data = made(events=events, items=items, users=users, actions={})
    text = " | ".join(expr.text() for expr in exprs)
    with patch.object(index, "RECENT_MAX", RECENT):
        compiled = compile_filter("f", text, data)
    given = {c.parameter: c.given() for expr in exprs for c in expr.conds() if c.parameter}
    if left_out:
        needed = {c.parameter for expr in exprs if expr.include for c in expr.conds()}
        given = {name: value for name, value in given.items() if name in needed}
    item_rows, user_rows = rows_of(items), rows_of(users)
    current = None if item is None else item_rows[item]
    applied = [
        expr
        for expr in exprs
        if all(cond.parameter is None or cond.parameter in given for cond in expr.conds())
        and all(user is not None and cond.holds(user_rows[user], None) for cond in expr.user)
    ]
    expected = []
    for code, row in enumerate(item_rows):
        seen = seen_types(events, user, code)

        def holds(cond: Cond, row: Row = row, seen: set[str | None] = seen) -> bool:
            if cond.dataset == "Interactions":
                return event_holds(cond, seen)
            return cond.holds(row, current)

        matching = [expr for expr in applied if any(all(map(holds, g)) for g in expr.any_of)]
        included = not any(expr.include for expr in applied)
        included = included or any(expr.include for expr in matching)
        expected.append(included and all(expr.include for expr in matching))
    for _ in range(2):  # from the cache the second time
        assert compiled.mask(given, user=user, item=item).tolist() == expected
