"""A made-up film catalogue and its audience, for an emulator that is given no data.

500 users, 1,000 items, latent tastes: every film has one to three genres, every user likes a few
genres much more than the others, and some films are popular with everybody. Recommendations
learnt from it can be seen to make sense: a user's list is mostly of the genres they watched.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ACTIONS: Final = tuple(f"action-{number:02}" for number in range(1, 21))
"""The actions that exist when no actions data set is given."""

_USERS: Final = 500
_ITEMS: Final = 1_000
_GENRES: Final = (
    "Action", "Animation", "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Horror",
    "Musical", "Romance", "Thriller", "Western",
)  # fmt: skip
_FIRST_WORDS: Final = (
    "Amber", "Broken", "Crimson", "Distant", "Electric", "Falling", "Golden", "Hidden", "Iron",
    "Last", "Midnight", "Northern", "Paper", "Quiet", "Restless", "Silver",
)  # fmt: skip
_SECOND_WORDS: Final = (
    "Avenue", "Bridge", "Carnival", "Detective", "Empire", "Garden", "Harbour", "Island", "Journey",
    "Lantern", "Mountain", "Orchestra", "Promise", "River", "Stranger", "Winter",
)  # fmt: skip
_HISTORY_MEDIAN: Final = 40  # films per user
_TASTE_WEIGHT: Final = 3.0  # how much a liked genre matters, against a popularity of about 1
_CONTEXTS: Final = {
    "DEVICE": ("phone", "tablet", "tv"),
    "DAYPART": ("morning", "afternoon", "evening", "night"),
}
_CONTEXT_WEIGHT: Final = 1.0  # how much a genre leans to one of the values
_FIRST_TIMESTAMP: Final = 1_700_000_000  # 2023-11-14, in seconds


def synthetic_tables(*, seed: int) -> tuple[pa.Table, pa.Table]:
    """Return (interactions, items) in the service's schemas, the same for the same seed.

    Interactions: USER_ID, ITEM_ID, TIMESTAMP in seconds, EVENT_TYPE, and DEVICE and DAYPART, on
    which the genre depends; nobody watches a film twice.
    Items: ITEM_ID, TITLE, GENRES (joined with "|"), YEAR.
    """
    random = np.random.default_rng(seed)
    item_ids = np.array([f"i{number:04}" for number in range(1, _ITEMS + 1)])
    belongs = _item_genres(random)
    taste = random.dirichlet(np.full(len(_GENRES), 0.25), size=_USERS)
    appeal = random.gumbel(size=_ITEMS) + _TASTE_WEIGHT * (
        (taste @ belongs.T) / taste.max(axis=1, keepdims=True)
    )
    # The best of appeal plus Gumbel noise are a draw without replacement from its softmax.
    order = np.argsort(-(appeal + random.gumbel(size=appeal.shape)), axis=1)
    lengths = np.clip(random.lognormal(np.log(_HISTORY_MEDIAN), 0.5, size=_USERS), 5, 200)
    users, items, times = [], [], []
    for user, length in enumerate(lengths.astype(int)):
        users += [f"u{user + 1:04}"] * length
        items += item_ids[random.permutation(order[user, :length])].tolist()
        times += np.sort(random.integers(0, 365 * 86_400, size=length)).tolist()
    interactions = pa.table(
        {
            "USER_ID": users,
            "ITEM_ID": items,
            "TIMESTAMP": np.array(times, dtype=np.int64) + _FIRST_TIMESTAMP,
            "EVENT_TYPE": ["watch"] * len(users),
            **_contexts(items, item_ids, belongs, seed=seed),
        }
    )
    return interactions, _items(random, item_ids, belongs)


def _contexts(
    items: list[str],
    item_ids: npt.NDArray[np.str_],
    belongs: npt.NDArray[np.float64],
    *,
    seed: int,
) -> dict[str, list[str]]:
    """Return where and when each of the interactions with `items` happened.

    From a generator of their own, so that films and audience are what they are without them.
    """
    random = np.random.default_rng([seed, 1])
    rows = np.searchsorted(item_ids, np.array(items))
    columns = {}
    for name, values in _CONTEXTS.items():
        leaning = random.normal(scale=_CONTEXT_WEIGHT, size=(len(_GENRES), len(values)))
        chosen = (belongs @ leaning)[rows] + random.gumbel(size=(len(rows), len(values)))
        columns[name] = np.array(values)[chosen.argmax(axis=1)].tolist()
    return columns


def _item_genres(random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return an items x genres matrix of 0 and 1, one to three genres each."""
    belongs = np.zeros((_ITEMS, len(_GENRES)))
    for row, count in zip(belongs, random.integers(1, 4, size=_ITEMS), strict=True):
        row[random.choice(len(_GENRES), size=count, replace=False)] = 1.0
    return belongs


def _items(
    random: np.random.Generator,
    item_ids: npt.NDArray[np.str_],
    belongs: npt.NDArray[np.float64],
) -> pa.Table:
    years = random.integers(1960, 2025, size=_ITEMS)
    first = random.choice(_FIRST_WORDS, size=_ITEMS)
    second = random.choice(_SECOND_WORDS, size=_ITEMS)
    titles = [f"{one} {two} ({year})" for one, two, year in zip(first, second, years, strict=True)]
    genres = ["|".join(np.array(_GENRES)[row > 0]) for row in belongs]
    return pa.table(
        {"ITEM_ID": item_ids.tolist(), "TITLE": titles, "GENRES": genres, "YEAR": years}
    )
