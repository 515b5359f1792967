"""Documented rules of filters and of results, one row a rule; each names its source.

"Guide" is the developer guide of Amazon Personalize, with the title of the page. More of them:
test_emulator_filter_grammar (what expressions may say), test_emulator_promotions,
test_emulator_recipes (automatic filters, trends, reasons), test_emulator_context.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest
from support.emulator import Emulated, Items, filter_arn, ids

from worker.emulator.errors import ServiceFault
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES

# Items a to e, their columns below. Users: old (50), young (20, and hardly anything is known)
GENRE = ["Comedy|Drama", "Comedy", "Drama", "War", "war"]
YEAR = [1970, 1980, 1990, 2000, 2010]
EVENTS = [("old", "a", "Watch"), ("old", "b", "click"), ("young", "c", "Watch")]
EVENTS += [("other", item, "view") for item in "abcde"]

ELEMENTS = "Guide, Filter expression elements"
RULES = "Guide, Filter expression guidelines and requirements"
MULTIPLE = "Guide, Combining multiple expressions"
EXAMPLES = "Guide, Filter expression examples"
REAL_TIME = "Guide, Filtering real-time recommendations"
VALUES = "botocore model personalize-runtime 2018-05-22, filterValues"
SAMPLES = "AWS samples: retail demo store and notebooks"

COMEDY, WAR = 'ItemID WHERE Items.GENRE IN ("Comedy")', 'ItemID WHERE Items.GENRE IN ("War")'
SEEN = "ItemID WHERE Interactions.EVENT_TYPE IN"
ALL = "abcde"


def row(
    text: str, source: str, expression: str, wanted: str, user: str = "old", **values: str
) -> Any:
    return pytest.param(expression, wanted, user, values, source, id=text)


FILTERED = [
    row("INCLUDE keeps what satisfies it", ELEMENTS, f"INCLUDE {COMEDY}", "ab"),
    row("EXCLUDE drops what satisfies it", ELEMENTS, f"EXCLUDE {COMEDY}", "cde"),
    row("IN takes one of several", ELEMENTS, 'INCLUDE ItemID WHERE Items.GENRE IN ("War","Comedy")',
        "abd"),
    row("NOT IN takes the others", ELEMENTS, 'INCLUDE ItemID WHERE Items.GENRE NOT IN ("Comedy")',
        "cde"),
    row("values are compared exactly", RULES, f"INCLUDE {WAR}", "d"),
    row("= compares numbers", ELEMENTS, "INCLUDE ItemID WHERE Items.YEAR = 1990", "c"),
    row("!= compares numbers", ELEMENTS, "INCLUDE ItemID WHERE Items.YEAR != 1990", "abde"),
    row("< compares numbers", ELEMENTS, "INCLUDE ItemID WHERE Items.YEAR < 1990", "ab"),
    row("<= compares numbers", ELEMENTS, "INCLUDE ItemID WHERE Items.YEAR <= 1990", "abc"),
    row("> compares numbers", ELEMENTS, "INCLUDE ItemID WHERE Items.YEAR > 1990", "de"),
    row(">= compares numbers", ELEMENTS, "INCLUDE ItemID WHERE Items.YEAR >= 1990", "cde"),
    row("AND needs both", ELEMENTS, f"INCLUDE {COMEDY} AND Items.YEAR > 1975", "b"),
    row("OR needs one", ELEMENTS, f"INCLUDE {COMEDY} OR Items.YEAR > 2005", "abe"),
    row("2500 characters are allowed", "botocore model personalize, FilterExpression",
        "INCLUDE ItemID WHERE Items.YEAR >".ljust(2496) + "2005", "e"),
    # events
    row("event types are matched in any case", RULES, f'INCLUDE {SEEN} ("WATCH")', "a"),
    row("event types are the user's own", RULES, f'INCLUDE {SEEN} ("watch")', "c", "young"),
    row("events can be excluded", EXAMPLES, f'EXCLUDE {SEEN} ("watch", "click")', "cde"),
    row("a star is every event type", ELEMENTS, f'EXCLUDE {SEEN} ("*")', "cde"),
    row("a user who is not known has no events", EXAMPLES, f'EXCLUDE {SEEN} ("*")', ALL, "nobody"),
    # several expressions
    row("includes add up", MULTIPLE, f"INCLUDE {COMEDY} | INCLUDE {WAR}", "abd"),
    row("excludes add up", MULTIPLE, f"EXCLUDE {COMEDY} | EXCLUDE {WAR}", "ce"),
    row("excludes are taken from includes", MULTIPLE, f'INCLUDE {COMEDY} | EXCLUDE {SEEN} ("*")',
        ""),
    row("a mixture is includes less excludes", MULTIPLE,
        f'INCLUDE {COMEDY} | EXCLUDE {SEEN} ("click")', "a"),
    row("their order does not matter", MULTIPLE, f'EXCLUDE {SEEN} ("click") | INCLUDE {COMEDY}',
        "a"),
    # the current user
    row("IF applies to users who match", ELEMENTS, f"EXCLUDE {COMEDY} IF CurrentUser.AGE > 30",
        "cde"),
    row("IF leaves users alone who do not", ELEMENTS, f"EXCLUDE {COMEDY} IF CurrentUser.AGE > 30",
        ALL, "young"),
    row("IF compares text with =", EXAMPLES, f'EXCLUDE {COMEDY} IF CurrentUser.TIER = "Gold"',
        "cde"),
    row("IF takes IN", ELEMENTS, f'EXCLUDE {COMEDY} IF CurrentUser.TIER IN ("Gold")', ALL, "young"),
    row("IF takes NOT IN", ELEMENTS, f'EXCLUDE {COMEDY} IF CurrentUser.TIER NOT IN ("Gold")', "cde",
        "young"),
    row("IF takes several with AND", ELEMENTS,
        f'EXCLUDE {COMEDY} IF CurrentUser.AGE > 30 AND CurrentUser.TIER = "Tin"', ALL),
    row("IF belongs to its expression", ELEMENTS,
        f"EXCLUDE {COMEDY} IF CurrentUser.AGE > 30 | EXCLUDE {WAR}", "ce"),
    # spellings
    row("keywords may be in lower case", SAMPLES, 'include itemid where items.genre in ("War")',
        "d"),
    row("data sets and fields in any", SAMPLES,
        'EXCLUDE ItemID WHERE INTERACTIONS.event_type in ("*")', "cde"),
    row("strings may be in single quotes", SAMPLES, f"INCLUDE {SEEN} ('watch','view')", "a"),
    row("a cell with | has several values", SAMPLES,
        'INCLUDE ItemID WHERE Items.GENRE IN ("Drama")', "ac"),
    row("event types and metadata are chained", SAMPLES,
        f'EXCLUDE {SEEN} ("Watch") | INCLUDE ItemID WHERE Items.GENRE IN ("Comedy") '
        'AND Items.GENRE NOT IN ("x")', "b"),
    # placeholders
    row("IN takes a placeholder", REAL_TIME, "INCLUDE ItemID WHERE Items.GENRE IN ($G)", "d",
        G='"War"'),
    row("a value may have several strings", REAL_TIME, "INCLUDE ItemID WHERE Items.GENRE IN ($G)",
        "abd", G='"Comedy","War"'),
    row("a comma inside quotes does not separate", REAL_TIME,
        "INCLUDE ItemID WHERE Items.GENRE IN ($G)", "", G='"Comedy, War"'),
    row("= takes a placeholder", REAL_TIME, "INCLUDE ItemID WHERE Items.YEAR = $Y", "b", Y="1980"),
    row("ranges take placeholders", EXAMPLES, "INCLUDE ItemID WHERE Items.YEAR <= $Y", "ab",
        Y="1980"),
    row("event types take placeholders", EXAMPLES, f"EXCLUDE {SEEN} ($E)", "bcde", E='"watch"'),
    row("IF takes a placeholder", EXAMPLES,
        "EXCLUDE ItemID WHERE Items.GENRE IN ($G) IF CurrentUser.AGE = $A", "abce", G='"War"',
        A="50"),
    row("an EXCLUDE without its value is ignored", VALUES,
        "EXCLUDE ItemID WHERE Items.GENRE IN ($G)", ALL),
    row("only that part of it is ignored", VALUES,
        f"EXCLUDE ItemID WHERE Items.GENRE IN ($G) | EXCLUDE {WAR}", "abce"),
    row("an INCLUDE needs its values", VALUES, "INCLUDE ItemID WHERE Items.GENRE IN ($G)", "!G"),
    row("parameters are case-sensitive", REAL_TIME, "INCLUDE ItemID WHERE Items.GENRE IN ($G)",
        "!G", g='"War"'),
]  # fmt: skip

RELATED = [  # guide, Filter expression elements: CurrentItem
    pytest.param("Items.YEAR < CurrentItem.YEAR", "d", "abc", id="a number against CurrentItem"),
    pytest.param("Items.GENRE IN CurrentItem.GENRE", "a", "bc", id="text in CurrentItem's"),
    pytest.param("Items.YEAR = CurrentItem.YEAR", "d", "", id="each item has another year"),
]

UI = ("userId", "itemId")
NEEDS = {  # guide, Choosing a recipe; VIDEO_ON_DEMAND and ECOMMERCE use cases
    "user-personalization-v2": UI[:1],
    "user-personalization": UI[:1],
    "hrnn": UI[:1],
    "hrnn-metadata": UI[:1],
    "hrnn-coldstart": UI[:1],
    "popularity-count": UI[:1],
    "trending-now": (),
    "similar-items": UI[1:],
    "sims": UI[1:],
    "semantic-similarity": UI[1:],
    "ecomm-recommended-for-you": UI[:1],
    "ecomm-customers-who-viewed-x-also-viewed": UI,
    "ecomm-frequently-bought-together": UI[1:],
    "ecomm-popular-items-by-views": UI[:1],
    "ecomm-popular-items-by-purchases": UI[:1],
    "vod-top-picks": UI[:1],
    "vod-because-you-watched-x": UI,
    "vod-more-like-x": UI,
    "vod-most-popular": UI[:1],
    "vod-trending-now": (),
}
GIVEN = [(), UI[:1], UI[1:], UI]
# guide, How recommendation scoring works: no domain use case has scores
SCORED = {*list(NEEDS)[:5]}  # User-Personalization, v2 and v1, and the HRNN recipes
TO_USERS = [name for name, needs in NEEDS.items() if needs == UI[:1]]
TO_ITEMS = [name for name, needs in NEEDS.items() if "itemId" in needs]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    folder: Path = tmp_path_factory.mktemp("films")
    users, items, types = map(list, zip(*EVENTS, strict=True))
    times = list(range(len(EVENTS)))
    expressions = {each.values[0]: each.values[0] for each in FILTERED}
    expressions |= {each.values[0]: f"INCLUDE ItemID WHERE {each.values[0]}" for each in RELATED}
    return Emulated(
        folder,
        interactions=pa.table(
            {"USER_ID": users, "ITEM_ID": items, "TIMESTAMP": times, "EVENT_TYPE": types}
        ),
        items=pa.table({"ITEM_ID": list(ALL), "GENRE": GENRE, "YEAR": YEAR}),
        users=pa.table({"USER_ID": ["old", "young"], "AGE": [50, 20], "TIER": ["Gold", "Tin"]}),
        filters={named(key): text for key, text in expressions.items()},
    )


def named(expression: object) -> str:
    return f"f{crc32(str(expression).encode())}"


@cache
def made_up() -> Emulated:
    return Emulated(filters={"all": "INCLUDE ItemID WHERE Items.YEAR > 0"})


@pytest.mark.parametrize(("expression", "wanted", "user", "values", "source"), FILTERED)
def test_a_filter_lets_through_what_the_guide_says(
    films: Emulated, expression: str, wanted: str, user: str, values: Mapping[str, str], source: str
) -> None:
    members = {"userId": user, "filterArn": filter_arn(named(expression)), "filterValues": values}
    if wanted.startswith("!"):  # refused, and the message names the parameter
        with pytest.raises(ServiceFault, match=wanted[1:]) as caught:
            films.items("popularity-count", **members)
        assert caught.value.code == "InvalidInputException"
        return
    assert sorted(ids(films.items("popularity-count", **members))) == sorted(wanted), source


@pytest.mark.parametrize(("condition", "item", "wanted"), RELATED)
def test_related_items_are_compared_with_the_current_item(
    films: Emulated, condition: str, item: str, wanted: str
) -> None:
    found = films.items("similar-items", itemId=item, filterArn=filter_arn(named(condition)))
    assert sorted(ids(found)) == sorted(wanted)


def test_the_tables_have_every_recipe_and_use_case_of_lists() -> None:
    others = {"personalized-ranking", "personalized-ranking-v2", "next-best-action"}
    known = {name.removeprefix("aws-") for name in CAMPAIGN_RECIPES | USE_CASES}
    assert known == {*NEEDS, *others}


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: "+".join(given) or "nothing")
@pytest.mark.parametrize("name", NEEDS)
def test_a_recipe_needs_what_the_guide_lists(name: str, given: tuple[str, ...]) -> None:
    members = {"userId": "u0001", "itemId": "i0001"}
    request = {member: members[member] for member in given}
    if set(NEEDS[name]) <= set(given):
        assert len(made_up().items(name, **request)) == 25
        return
    with pytest.raises(ServiceFault) as caught:
        made_up().items(name, **request)
    assert (caught.value.code, caught.value.status) == ("InvalidInputException", 400)
    assert all(each in caught.value.message for each in set(NEEDS[name]) - set(given))


@pytest.mark.parametrize("name", NEEDS)
def test_scores_and_reasons_are_where_the_guide_has_them(name: str) -> None:
    """Sources: guide, How recommendation scoring works; Recommendation reasons (v2 alone)."""
    items = made_up().items(name, userId="u0001", itemId="i0001", numResults=500)
    assert {"score" in item for item in items} == {name in SCORED}
    reasons = {reason for item in items for reason in item.get("reason", [])}
    v2 = name == "user-personalization-v2"
    assert reasons <= ({"Exploration", "Popular item", "Promoted item"} if v2 else set())


@pytest.mark.parametrize("name", TO_USERS)
def test_an_unknown_user_gets_popular_items_and_no_error(name: str) -> None:
    """Source: guide, Recording events: anonymous users are asked for by their sessionId."""
    one, other = (made_up().items(name, userId=each) for each in ("nobody", "session-1"))
    plain = [ids([item for item in items if "reason" not in item]) for items in (one, other)]
    shared = min(map(len, plain))
    assert plain[0][:shared] == plain[1][:shared]
    if name not in {"ecomm-popular-items-by-views", "ecomm-popular-items-by-purchases"}:
        popular = ids(made_up().items("popularity-count", userId="u0001", numResults=500))
        assert plain[0] == popular[: len(plain[0])]


@pytest.mark.parametrize("name", TO_USERS)
def test_an_item_sent_to_a_user_recipe_is_ignored(name: str) -> None:
    """Source: amazon-personalize-samples, issue 18."""
    one = made_up().items(name, userId="u0001", itemId="i0009")
    assert one == made_up().items(name, userId="u0001")


@pytest.mark.parametrize("name", TO_ITEMS)
def test_an_unknown_item_gets_popular_items(name: str) -> None:
    """Source: guide, Similar-Items recipe."""
    found = ids(made_up().items(name, userId="nobody", itemId="no-such-item"))
    assert found == ids(made_up().items("popularity-count", userId="nobody"))


@pytest.mark.parametrize("name", ["personalized-ranking", "personalized-ranking-v2"])
def test_a_ranking_scores_its_list_and_has_unknown_items_last(name: str) -> None:
    """Sources: model, personalizedRanking; guide, How recommendation scoring works, Rankings."""
    listed = ["none-2", "i0003", "none-1", "i0001", "i0002"]
    for user in ("u0001", "nobody"):
        ranked = made_up().rank(name, userId=user, inputList=listed)
        assert ids(ranked)[3:] == ["none-2", "none-1"]
        assert sorted(ids(ranked)[:3]) == ["i0001", "i0002", "i0003"]
        assert sum(item["score"] for item in ranked[:3]) == pytest.approx(1.0, abs=1e-6)
        assert [item["score"] for item in ranked[3:]] == [0.0, 0.0]


def test_rankings_and_actions_have_no_promotions_and_propensities_are_no_shares() -> None:
    """Source: guide, Promoting items; Next-Best-Action recipe: a propensity is 0 to 1."""
    promotions: Items = [
        {"name": "p", "percentPromotedItems": 50, "filterArn": filter_arn("all")}
    ]  # the model has no such member here, so it is unknown and ignored
    ranked = made_up().rank(userId="u0001", inputList=["i0001", "i0002"], promotions=promotions)
    assert all(set(item) == {"itemId", "score"} for item in ranked)
    actions = made_up().actions(userId="u0001", numResults=100, promotions=promotions)
    assert all(set(action) == {"actionId", "score"} for action in actions)
    assert all(0 <= action["score"] <= 1 for action in actions)
    assert sum(action["score"] for action in actions) != pytest.approx(1.0, abs=0.01)


def test_what_a_use_case_hides_is_hidden_besides_the_filter(films: Emulated) -> None:
    """Source: guide, VIDEO_ON_DEMAND use cases: what was watched is filtered automatically."""
    arn = filter_arn(named(f"INCLUDE {COMEDY}"))
    assert ids(films.items("vod-top-picks", userId="old", filterArn=arn)) == ["b"]
    assert set(ids(films.items("vod-top-picks", userId="young", filterArn=arn))) == {"a", "b"}
