"""The data sets as filters ask them: their columns and events, each prepared once for all."""

from __future__ import annotations

from functools import cached_property

from worker.emulator.data.datasets import Data
from worker.emulator.filters.columns import Columns, Numbers, Texts, is_filterable
from worker.emulator.filters.events import RECENT_ACTIONS_MAX, RECENT_MAX, Events, action_type
from worker.emulator.filters.grammar import BadExpression, Field
from worker.emulator.filters.rules import dataset_of


class Index:
    """The data sets' columns, shared by all filters that are compiled together."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self.items = Columns(data.item_table)
        self.actions = Columns(data.action_table)
        self.users = Columns(data.user_table)

    def log(self, field: Field) -> Events:
        """Return the events that a field is of. Raises BadExpression if there is no such data."""
        if dataset_of(field) == "INTERACTIONS":
            return self._items_done
        if self._actions_done is None:
            raise BadExpression(
                field.at,
                "there is no data set of action interactions",
                hint="set emulator.action_interactions, or filter actions by Actions.FIELD",
            )
        return self._actions_done

    @cached_property
    def _items_done(self) -> Events:
        """The interactions; sorting them takes a while, and few filters ask for them."""
        data = self._data
        return Events(
            data.events,
            size=len(data.item_ids),
            users=len(data.user_ids),
            recent_max=RECENT_MAX,
        )

    @cached_property
    def _actions_done(self) -> Events | None:
        """The action interactions, None where there is no such data set."""
        data = self._data
        if data.actions_done is None:
            return None
        return Events(
            data.actions_done,
            size=len(data.action_ids),
            users=len(data.user_ids),
            recent_max=RECENT_ACTIONS_MAX,
            folded=action_type,
        )

    def columns(self, field: Field) -> tuple[Columns, str]:
        """Return a field's table and spelling. Raises BadExpression if it has no such column."""
        dataset = dataset_of(field)
        what, columns = {
            "ITEMS": ("items", self.items),
            "CURRENTITEM": ("items", self.items),
            "ACTIONS": ("actions", self.actions),
        }.get(dataset, ("users", self.users))
        spelling = columns.find(field.name)
        if spelling is None:
            raise BadExpression(
                field.at,
                f"the {what} data set has no column {field.name}",
                hint=f"it has: {', '.join(columns.names)}",
            )
        kind = columns.kind(spelling)
        if columns is self.items and field.name in self._data.textual:
            raise BadExpression(
                field.at,
                f"column {spelling} of the items data set is textual, as its schema says",
                hint="filters take no unstructured text; make it categorical, or use another one",
            )
        if not is_filterable(kind):
            raise BadExpression(
                field.at,
                f"column {spelling} of the {what} data set has type {kind}",
                hint='filters take text and numbers; write booleans as "True" and "False" or as '
                "1 and 0, times as seconds, several values as one text with | between",
            )
        return columns, spelling

    def texts(self, field: Field) -> Texts:
        """Return a field for IN."""
        columns, spelling = self.columns(field)
        return columns.texts(spelling)

    def numbers(self, field: Field) -> Numbers:
        """Return a field for a comparison. Raises BadExpression for text."""
        columns, spelling = self.columns(field)
        numbers = columns.numbers(spelling)
        if numbers is None:
            raise BadExpression(
                field.at,
                f"{field} is text such as {columns.no_number(spelling)!r}, and comparisons are for "
                "numbers",
                hint='use IN ("...") or NOT IN ("..."), or leave cells without a number empty, or '
                "give the schema of the data set, which says what is a number: emulator.schemas",
            )
        return numbers
