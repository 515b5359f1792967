"""The declared filters, compiled, and what they let through for one request."""

from __future__ import annotations

from collections.abc import Mapping

from worker.emulator.data.datasets import Data
from worker.emulator.errors import invalid_input, not_found
from worker.emulator.filters.compiled import Filter, compile_filters
from worker.emulator.model.relevance import Allowed
from worker.emulator.recipes import Kind, Recipe
from worker.emulator.resources import Resources


class Filters:
    """Filters by ARN. Raises EmulatorError for an expression that is none."""

    def __init__(self, resources: Resources, data: Data) -> None:
        declared = {each.name: each.expression for each in resources.filters}
        compiled = compile_filters(declared, data) if declared else {}
        self._by_arn: dict[str, Filter] = {
            each.arn: compiled[each.name] for each in resources.filters
        }

    def check(self, arn: str, recipe: Recipe, *, user_id: str | None, item_id: str | None) -> None:
        """Raise ServiceFault unless there is the filter, fit for the recipe and what is given."""
        if arn not in self._by_arn:
            exist = ", ".join(self._by_arn) or "none"
            raise not_found(f"the filter {arn} does not exist; here exist: {exist}")
        found, target = self._by_arn[arn], "actions" if recipe.kind is Kind.ACTION else "items"
        if found.target != target:
            raise invalid_input(
                f"filter {arn} is one of {found.target}; {recipe.name} has {target}"
            )
        if found.needs_user and not user_id:
            raise invalid_input(f"filter {arn} goes by the user, so the request needs userId")
        if found.needs_item and (recipe.kind is not Kind.ITEM or not item_id):
            raise invalid_input(
                f"filter {arn} goes by CurrentItem, which only requests for related items have"
            )

    def allowed(
        self, arn: str, values: Mapping[str, str], *, user: int | None, item: int | None
    ) -> Allowed:
        """Tell of everything in the catalogue whether a filter lets it through.

        Raises ServiceFault for filterValues that don't fit the filter.
        """
        return self._by_arn[arn].mask(values, user=user, item=item)
