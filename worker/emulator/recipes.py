"""The recipes and domain use cases that the emulator knows, and what each asks and answers.

Sources: the developer guide's pages "Choosing a recipe", "VIDEO_ON_DEMAND use cases" and
"ECOMMERCE use cases" (which inputs each needs, which filter automatically), "How recommendation
scoring works" (which of them return scores), "Reasons for recommendations", "Increasing
recommendation relevance with contextual metadata", "Promoting items in real-time recommendations"
(which recipes support them), "Item metadata in recommendations" (which need not be enabled). Light
to import: the settings are checked against these tables.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a resource does, which decides the operation that it answers."""

    USER = "user"  # items for a user
    ITEM = "item"  # items related to an item
    POPULAR = "popular"  # the same popular items for everybody
    RANKING = "ranking"  # the caller's items in the user's order
    ACTION = "action"  # actions for a user


class Measure(Enum):
    """What popular means; two of them are event types."""

    INTERACTIONS = "interactions"
    VIEWS = "View"
    PURCHASES = "Purchase"
    TREND = "trend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One recipe or use case.

    `needs` lists the request members without which the service refuses a call; `scored` tells
    whether its answers carry scores, `reasons` whether they carry reasons, explore, and score a
    subset of the items alone; `contextual` whether a context changes them. `metadata` tells whether
    a campaign returns metadata without being enabled for it, `promoted` whether requests may have
    promotions, `by_text` whether items are alike by what is written about them. `hides` is the
    event type whose items a user gets no more.
    """

    name: str
    kind: Kind
    needs: tuple[str, ...]
    scored: bool = False
    reasons: bool = False
    contextual: bool = False
    metadata: bool = False
    promoted: bool = False
    by_text: bool = False
    measure: Measure = Measure.INTERACTIONS
    hides: str | None = None

    @property
    def arn(self) -> str:
        """The recipe's ARN, the same in every account and region."""
        return f"arn:aws:personalize:::recipe/{self.name}"


_USER: Final = ("userId",)
_ITEM: Final = ("itemId",)
_BOTH: Final = ("userId", "itemId")
_WATCH: Final = "Watch"
_PURCHASE: Final = "Purchase"


def _table(*recipes: Recipe) -> dict[str, Recipe]:
    return {recipe.name: recipe for recipe in recipes}


def _use_cases(*recipes: Recipe) -> dict[str, Recipe]:
    """Return a table of use cases, all of which support promotions."""
    return _table(*(replace(recipe, promoted=True) for recipe in recipes))


CAMPAIGN_RECIPES: Final = _table(
    Recipe(
        name="aws-user-personalization-v2",
        kind=Kind.USER,
        needs=_USER,
        scored=True,
        reasons=True,
        contextual=True,
        metadata=True,
        promoted=True,
    ),
    Recipe(
        name="aws-user-personalization",
        kind=Kind.USER,
        needs=_USER,
        scored=True,
        contextual=True,
        promoted=True,
    ),
    Recipe(name="aws-hrnn", kind=Kind.USER, needs=_USER, scored=True),
    Recipe(name="aws-hrnn-metadata", kind=Kind.USER, needs=_USER, scored=True),
    Recipe(name="aws-hrnn-coldstart", kind=Kind.USER, needs=_USER, scored=True),
    Recipe(name="aws-popularity-count", kind=Kind.POPULAR, needs=_USER, promoted=True),
    Recipe(
        name="aws-trending-now",
        kind=Kind.POPULAR,
        needs=(),
        promoted=True,
        measure=Measure.TREND,
    ),
    Recipe(name="aws-similar-items", kind=Kind.ITEM, needs=_ITEM, promoted=True),
    Recipe(name="aws-sims", kind=Kind.ITEM, needs=_ITEM, promoted=True),
    Recipe(
        name="aws-semantic-similarity", kind=Kind.ITEM, needs=_ITEM, metadata=True, by_text=True
    ),
    Recipe(
        name="aws-personalized-ranking-v2",
        kind=Kind.RANKING,
        needs=_USER,
        scored=True,
        contextual=True,
        metadata=True,
    ),
    Recipe(
        name="aws-personalized-ranking",
        kind=Kind.RANKING,
        needs=_USER,
        scored=True,
        contextual=True,
    ),
    Recipe(name="aws-next-best-action", kind=Kind.ACTION, needs=_USER, scored=True),
)
"""Recipes that a campaign can be built on, by name."""

USE_CASES: Final = _use_cases(
    Recipe(
        name="aws-ecomm-recommended-for-you",
        kind=Kind.USER,
        needs=_USER,
        contextual=True,
        hides=_PURCHASE,
    ),
    Recipe(
        name="aws-ecomm-customers-who-viewed-x-also-viewed",
        kind=Kind.ITEM,
        needs=_BOTH,
        hides=_PURCHASE,
    ),
    Recipe(name="aws-ecomm-frequently-bought-together", kind=Kind.ITEM, needs=_ITEM),
    Recipe(
        name="aws-ecomm-popular-items-by-views",
        kind=Kind.POPULAR,
        needs=_USER,
        measure=Measure.VIEWS,
    ),
    Recipe(
        name="aws-ecomm-popular-items-by-purchases",
        kind=Kind.POPULAR,
        needs=_USER,
        measure=Measure.PURCHASES,
    ),
    Recipe(name="aws-vod-top-picks", kind=Kind.USER, needs=_USER, contextual=True, hides=_WATCH),
    Recipe(name="aws-vod-because-you-watched-x", kind=Kind.ITEM, needs=_BOTH, hides=_WATCH),
    Recipe(name="aws-vod-more-like-x", kind=Kind.ITEM, needs=_BOTH, hides=_WATCH),
    Recipe(name="aws-vod-most-popular", kind=Kind.POPULAR, needs=_USER),
    Recipe(name="aws-vod-trending-now", kind=Kind.POPULAR, needs=(), measure=Measure.TREND),
)
"""Domain use cases that a recommender can be built on, by name."""
