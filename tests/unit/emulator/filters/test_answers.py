"""What filters let through, rule by rule."""

from __future__ import annotations

import pyarrow as pa
import pytest
from unit.emulator.filters.filter_data import FILMS, compile_filter, made, shown

from worker.emulator.filters.compiled import compile_filters


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        # any of a cell's values; exactly; null matches nothing
        ('INCLUDE ItemID WHERE Items.GENRE IN ("Drama")', [0, 2]),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("drama")', []),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("Comedy|Drama")', []),
        ('INCLUDE ItemID WHERE Items.GENRE NOT IN ("Drama")', [1, 3]),
        ('EXCLUDE ItemID WHERE Items.GENRE NOT IN ("Drama")', [0, 2, 4]),
        ('INCLUDE ItemID WHERE items.item_id IN ("i1", "i9")', [1]),
        # numbers
        ("INCLUDE ItemID WHERE Items.YEAR != 1980", [0, 2, 4]),
        ("INCLUDE ItemID WHERE Items.YEAR >= 1980 AND Items.YEAR < 2010", [1, 2]),
        ("INCLUDE ItemID WHERE Items.AS_TEXT > 1980", [2, 4]),
        ('INCLUDE ItemID WHERE Items.AS_TEXT IN ("2010", "1990")', [2]),
        ('INCLUDE ItemID WHERE Items.YEAR IN ("2010", "1990")', [2, 4]),
        ('INCLUDE ItemID WHERE Items.PRICE IN ("1")', [0, 3]),
        ("INCLUDE ItemID WHERE Items.PRICE != 2", [0, 1, 3]),
        ('INCLUDE ItemID WHERE Items.PRICE NOT IN ("1")', [1]),
        ('INCLUDE ItemID WHERE Items.PRICE IN ("nan")', []),
        ("INCLUDE ItemID WHERE Items.YEAR < 99999999999999999999999", [0, 1, 2, 4]),
        # AND binds tighter than OR
        (
            'INCLUDE ItemID WHERE Items.GENRE IN ("War") OR Items.YEAR = 1970 AND Items.PRICE = 1',
            [0, 2, 3],
        ),
        # multiple-expression-example
        ("INCLUDE ItemID WHERE Items.YEAR = 1970 | INCLUDE ItemID WHERE Items.YEAR = 1980", [0, 1]),
        ("EXCLUDE ItemID WHERE Items.YEAR = 1970 | EXCLUDE ItemID WHERE Items.YEAR = 1980",
         [2, 3, 4]),
        ('EXCLUDE ItemID WHERE Items.YEAR = 1970 | INCLUDE ItemID WHERE Items.GENRE IN ("Comedy")',
         [1]),
        # event types in any case, of user 0
        ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("WATCH")', [0]),
        ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("watch", "Click")', [2, 3, 4]),
        ('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', [3, 4]),
        ('INCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN ("watch")', [1, 2]),
        # IF, of user 0
        ("INCLUDE ItemID WHERE Items.YEAR = 1970 IF CurrentUser.AGE = 30", [0]),
        ("INCLUDE ItemID WHERE Items.YEAR = 1970 IF CurrentUser.AGE = 31", [0, 1, 2, 3, 4]),
        ('EXCLUDE ItemID WHERE Items.YEAR = 1970 IF CurrentUser.TIER = "Premium"', [1, 2, 3, 4]),
        ('EXCLUDE ItemID WHERE Items.YEAR = 1970 IF CurrentUser.TIER != "Premium"',
         [0, 1, 2, 3, 4]),
        # actions
        ('EXCLUDE ActionID WHERE Actions.KIND IN ("call")', [1]),
        ("INCLUDE ActionID WHERE Actions.VALUE < 3 IF CurrentUser.AGE > 18", [0]),
    ],
)  # fmt: skip
def test_what_may_be_shown(expression: str, expected: list[int]) -> None:
    assert shown(expression, user=0) == expected


@pytest.mark.parametrize("user", [None, 2])  # unknown; known, without interactions or a tier
def test_nothing_about_such_a_user_holds(user: int | None) -> None:
    assert shown('EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', user=user) == [*range(5)]
    assert shown('INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', user=user) == []
    text = 'EXCLUDE ItemID WHERE Items.YEAR > 0 IF CurrentUser.TIER NOT IN ("x")'
    assert shown(text, user=user) == [*range(5)]


@pytest.mark.parametrize(
    ("item", "expected"), [(0, [0, 1, 2]), (3, [2, 3]), (4, []), (None, [])]
)  # 4 has no genre
def test_items_like_the_current_one(item: int | None, expected: list[int]) -> None:
    expression = "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE"
    assert shown(expression, item=item) == expected


def test_items_older_than_the_current_one() -> None:
    expression = "INCLUDE ItemID WHERE Items.YEAR < CurrentItem.YEAR"
    assert [shown(expression, item=item) for item in (2, 3)] == [[0, 1], []]


def test_the_100_latest_interactions_of_each_event_type_count() -> None:
    """Source: the developer guide's page filter-expressions."""
    clicks = [(0, item, item, "click") for item in range(103)]
    watch = (0, 0, 0, "watch")
    data = made(events=[*reversed(clicks), watch], items={}, users={}, actions={})
    expression = 'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")'
    assert shown(expression, user=0, data=data) == [*range(3, 103)]
    every = 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")'
    assert shown(every, user=0, data=data) == [1, 2]


def test_a_filter_tells_what_it_needs() -> None:
    compiled = compile_filters(
        {
            "plain": "INCLUDE ItemID WHERE Items.GENRE IN ($G) OR Items.YEAR > $Y",
            "seen": 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")',
            "like": "INCLUDE ItemID WHERE Items.YEAR = CurrentItem.YEAR IF CurrentUser.AGE > $A",
            "calls": 'INCLUDE ActionID WHERE Actions.KIND IN ("call")',
        },
        FILMS,
    )
    told = {
        name: (each.target, each.parameters, each.needs_user, each.needs_item)
        for name, each in compiled.items()
    }
    assert told == {
        "plain": ("items", {"G", "Y"}, False, False),
        "seen": ("items", frozenset(), True, False),
        "like": ("items", {"A"}, True, True),
        "calls": ("actions", frozenset(), False, False),
    }


def test_masks_that_are_kept_cannot_be_changed() -> None:
    mask = compile_filter("f", "INCLUDE ItemID WHERE Items.YEAR > 1", FILMS).mask(
        {}, user=None, item=None
    )
    with pytest.raises(ValueError, match="read-only"):
        mask[0] = True


def test_columns_of_any_layout_are_filtered() -> None:
    encoded = pa.array(["a", "b|a", None]).dictionary_encode()
    decimals = pa.array([1, 2, None], pa.decimal128(5, 2))
    data = made(
        events=[(0, 0, 1, "x")],
        items={"D": encoded, "P": decimals, "NOTHING": pa.nulls(3)},
        users={},
        actions={},
    )
    assert shown('INCLUDE ItemID WHERE Items.D IN ("a")', data=data) == [0, 1]
    assert shown("INCLUDE ItemID WHERE Items.P > 1.5", data=data) == [1]
    assert shown('INCLUDE ItemID WHERE Items.NOTHING IN ("a")', data=data) == []
    assert shown("INCLUDE ItemID WHERE Items.NOTHING > 1", data=data) == []


def test_zero_is_a_number_and_not_null() -> None:
    data = made(events=[(0, 0, 0, "x")], items={"N": [0, 1]}, users={"AGE": [0]}, actions={})
    older = "EXCLUDE ItemID WHERE Items.N = 0 IF CurrentUser.AGE"
    assert shown(f"{older} < 1", user=0, data=data) == [1]
    assert shown(f"{older} = $A", {"A": "0"}, user=0, data=data) == [1]
    current = "INCLUDE ItemID WHERE Items.N <= CurrentItem.N"
    assert shown(current, item=0, data=data) == [0]


def test_numbers_are_compared_as_they_are_written() -> None:
    """A column of Avro's type float has 1.1 and not the 1.100000023841858 that is nearest to it."""
    floats, large = pa.array([1.1, None, 2.5], pa.float32()), [2**63 + 1, 2**63, None]
    items = {"F": floats, "DF": floats.dictionary_encode(), "U": pa.array(large, pa.uint64())}
    data = made(events=[(0, 0, 1, "x")], items=items, users={}, actions={})
    for field in ("F", "DF"):
        assert shown(f"INCLUDE ItemID WHERE Items.{field} = 1.1", data=data) == [0]
        assert shown(f"INCLUDE ItemID WHERE Items.{field} <= $F", {"F": "1.1"}, data=data) == [0]
        assert shown(f"INCLUDE ItemID WHERE Items.{field} != 1.1", data=data) == [2]
    assert shown(f"INCLUDE ItemID WHERE Items.U = {2**63}", data=data) == [1]
    assert shown("INCLUDE ItemID WHERE Items.U > $U", {"U": str(2**63)}, data=data) == [0]
