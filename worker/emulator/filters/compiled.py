"""Filters: an expression compiled over the data, and for each request a mask of what may be shown.

Everything in the developer guide's pages creating-filter-expressions, filter-real-time,
filter-expression-guidelines-requirements and multiple-expression-example. Where they are silent,
or each other's contrary, the emulator chose:

* Words of the language, data sets and fields match in any case; so do event types. All other
  values, and placeholders' names, match exactly.
* AND binds tighter than OR. There are no parentheses for grouping; around one value of a comparison
  they are taken, as in `Actions.VALUE > ($VALUE)`. Strings have double or single quotes and no
  escapes. A placeholder in quotes, "$NAME", is a placeholder. `Action.` counts as `Actions.`.
* A cell "a|b" holds two values: IN asks for any of them, NOT IN for none of them; "=" and "!=" on
  text alike. A null cell matches nothing, neither IN nor NOT IN nor "!=". NaN is null.
* Comparisons are for columns of numbers, and of text that is all numbers, as in a CSV file. On
  CurrentUser alone "=" and "!=" take text too: a quoted value is compared as text, whatever the
  column. IN on a column of numbers compares them as written in metadataColumns. ITEM_ID, USER_ID
  and ACTION_ID are columns like others, and hold one value.
* Event types: of the user's items, IN asks for those that one of the 100 latest interactions of a
  listed type was with, NOT IN for those that none was with; other items match neither. "*" is all,
  interactions without a type among them. It may be the value of a placeholder as well.
* An INCLUDE whose IF does not hold says nothing: if no INCLUDE applies, everything but what is
  excluded may be shown. Nothing about an unknown user holds.
* CurrentItem of an unknown or absent item matches nothing, like a null cell. One data set's fields
  count once towards the 10 of a filter, whether as Items or CurrentItem, Users or CurrentUser.
* filterValues: strings in double quotes or bare numbers, with commas between. Anything else, text
  without quotes among it, is refused, and so are keys that the filter does not have, more than one
  value for a comparison, a quoted number where numbers are compared. A value for an expression that
  is not applied is checked all the same.
* A filter on actions by action interactions is refused where there is no such data set. Of these a
  user's 300 latest of each type count. A field of items that the schema calls textual is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, reduce
from operator import and_, or_
from typing import Final

import numpy as np

from worker.emulator.data.datasets import Data
from worker.emulator.errors import EmulatorError, invalid_input
from worker.emulator.filters.columns import Bools
from worker.emulator.filters.grammar import BadExpression, Expression, Field
from worker.emulator.filters.index import Index
from worker.emulator.filters.plan import LIST, NUMBER, Request, Use, plan_rows, plan_user
from worker.emulator.filters.rules import (
    GROUP_FIELDS_MAX,
    OF_EVENTS,
    checked,
    dataset_of,
    fields_of,
)
from worker.emulator.filters.values import Value, parse_values

_CACHE_BYTES: Final = 8 * 2**20  # of masks, for each expression with placeholders
_CACHE_MASKS_MIN: Final = 4
_CACHE_MASKS_MAX: Final = 256

_Given = tuple[str, ...]  # an expression's values as a request has them, in the order of names


class Filter:
    """One filter, compiled. Masks depend on the arguments alone, whatever was asked before."""

    def __init__(self, name: str, expression: str, index: Index) -> None:
        self.name = name
        try:
            expressions = checked(expression)
            self.target = "items" if expressions[0].target.upper() == "ITEMID" else "actions"
            self._size = (index.items if self.target == "items" else index.actions).size
            self._parts = [_Part(each, index, self._size) for each in expressions]
        except BadExpression as error:
            raise error.refusal(name, expression) from None
        self.fields = fields_of(expressions)
        self.parameters = frozenset(use.parameter for part in self._parts for use in part.uses)
        self.needs_user = any(part.on_events or part.on_user for part in self._parts)
        self.needs_item = any(part.on_item for part in self._parts)

    def mask(self, values: Mapping[str, str], *, user: int | None, item: int | None) -> Bools:
        """Return which items or actions may be shown, by code; the caller must not change it.

        `values` is the request's filterValues, `user` and `item` codes, None for unknown ones.
        Raises ServiceFault for values that are missing, of the wrong kind or not the filter's.
        """
        request = Request(self._parsed(values), user, item)
        included = excluded = None
        for part in self._parts:
            if not part.parameters <= values.keys():
                continue  # an EXCLUDE: _parsed has refused the others
            if not part.applies(request):
                continue
            rows = part.rows(request, values)
            if part.include:
                included = rows if included is None else included | rows
            else:
                excluded = rows if excluded is None else excluded | rows
        if included is None:
            return np.ones(self._size, dtype=np.bool_) if excluded is None else ~excluded
        return included if excluded is None else included & ~excluded

    def _parsed(self, values: Mapping[str, str]) -> dict[str, tuple[Value, ...]]:
        unknown = values.keys() - self.parameters
        if unknown:
            known = ", ".join(sorted(self.parameters)) or "none"
            raise invalid_input(
                f"filterValues has {', '.join(sorted(unknown))}; filter {self.name} has the "
                f"placeholders: {known}"
            )
        parsed = {name: parse_values(name, given) for name, given in values.items()}
        for part in self._parts:
            missing = part.parameters - values.keys()
            if part.include and missing:
                raise invalid_input(
                    f"filterValues lacks {', '.join(sorted(missing))}, which the INCLUDE of filter "
                    f"{self.name} needs"
                )
            for use in part.uses:
                if use.parameter in parsed:
                    _check(use, parsed[use.parameter])
        return parsed


class _Part:
    """One INCLUDE or EXCLUDE of a filter, whose masks have `size` places."""

    def __init__(self, expression: Expression, index: Index, size: int) -> None:
        self.include = expression.include
        self.uses: list[Use] = []
        self._any_of = [
            [plan_rows(condition, index, self.uses) for condition in group]
            for group in expression.any_of
        ]
        self._names = sorted({use.parameter for use in self.uses})  # those that rows depend on
        self._tests = [plan_user(condition, index, self.uses) for condition in expression.user]
        self.parameters = frozenset(use.parameter for use in self.uses)
        conditions = expression.conditions
        self.on_user = bool(self._tests)
        self.on_events = dataset_of(conditions[0].field) in OF_EVENTS
        self.on_item = any(isinstance(each, Field) for one in conditions for each in one.operands)
        most = _CACHE_BYTES // max(1, size)
        self._cached = lru_cache(maxsize=min(max(_CACHE_MASKS_MIN, most), _CACHE_MASKS_MAX))(
            self._compute
        )
        if not (self._names or self.on_events or self.on_item):
            self._cached((), None)

    def applies(self, request: Request) -> bool:
        """Tell whether the conditions of IF hold."""
        user = request.user
        return not self._tests or (
            user is not None and all(test(user, request.values) for test in self._tests)
        )

    def rows(self, request: Request, values: Mapping[str, str]) -> Bools:
        """Return which items or actions the conditions of WHERE hold for."""
        if self.on_events:  # hardly two requests in a row are for one user
            return self._evaluate(request)
        given = tuple(values[name] for name in self._names)
        return self._cached(given, request.item if self.on_item else None)

    def _compute(self, given: _Given, item: int | None) -> Bools:
        values = {
            name: parse_values(name, each) for name, each in zip(self._names, given, strict=True)
        }
        rows = self._evaluate(Request(values, None, item))
        rows.flags.writeable = False  # it is handed out again and again
        return rows

    def _evaluate(self, request: Request) -> Bools:
        groups = [[rows(request) for rows in group] for group in self._any_of]
        return reduce(or_, (reduce(and_, group) for group in groups))


def compile_filters(expressions: Mapping[str, str], data: Data) -> dict[str, Filter]:
    """Return filters by name; what they read of the data is prepared once for all of them.

    Raises EmulatorError, with the place in the expression, when one breaks a rule of the language
    or names a field that there isn't, or when all together go by more than `GROUP_FIELDS_MAX`.
    """
    index = Index(data)
    filters = {name: Filter(name, expression, index) for name, expression in expressions.items()}
    fields = {field for each in filters.values() for field in each.fields}
    if len(fields) > GROUP_FIELDS_MAX:
        raise EmulatorError(
            f"the filters go by {len(fields)} distinct fields",
            hint=f"all filters of a dataset group together may have {GROUP_FIELDS_MAX}",
        )
    return filters


def _check(use: Use, values: tuple[Value, ...]) -> None:
    if use.kind != LIST and len(values) != 1:
        raise invalid_input(
            f"filterValues: {use.parameter} is compared with one value, and has {len(values)}"
        )
    if use.kind == NUMBER and values[0].number is None:
        raise invalid_input(
            f"filterValues: {use.parameter} is compared with numbers, and {values[0].text!r} in "
            "quotes is a string"
        )
