"""What filterValues may say, and what placeholders make of it."""

from __future__ import annotations

import tracemalloc

import pytest
from unit.emulator.filters.filter_data import FILMS, compile_filter, made, shown

from worker.emulator.errors import ServiceFault
from worker.emulator.filters.values import parse_values


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ('"comedy"', ["comedy"]),
        ('"comedy","drama"', ["comedy", "drama"]),
        (' "comedy" , "drama" ', ["comedy", "drama"]),
        ('"Value1, Value2"', ["Value1, Value2"]),  # one string, by the stated rule
        ('""', [""]),
        ("\"it's|'so'\"", ["it's|'so'"]),
        ("1970", ["1970"]),
        ("-1.50, 2e3,.5", ["-1.50", "2e3", ".5"]),
    ],
)
def test_values_are_strings_in_double_quotes_or_numbers(given: str, texts: list[str]) -> None:
    assert [value.text for value in parse_values("G", given)] == texts
    assert all((value.number is None) == ('"' in given) for value in parse_values("G", given))


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ("", 1),
        (" ", 1),
        ("comedy", 1),
        ("'a'", 1),
        ('"comedy', 1),
        ('"a" "b"', 5),
        ('"a",', 5),
        ('"a", b', 5),
        (",", 1),
        ('\\"a\\"', 1),
        ("1 2", 3),
        ("1x", 2),
        ("nan", 1),
        ("1.2.3", 4),
        ("\u0661", 1),  # a digit, but none of 0 to 9
    ],
)
def test_other_values_are_refused_at_their_place(given: str, at: int) -> None:
    says = f"^filterValues.G: .* double quotes .* character {at}$"
    with pytest.raises(ServiceFault, match=says) as caught:
        shown("EXCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": given})
    assert (caught.value.code, caught.value.status) == ("InvalidInputException", 400)


@pytest.mark.parametrize(
    ("expression", "values", "says"),
    [
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {}, "lacks G"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"g": '"a"'}, "has g; .* placeholders: G"),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("a")', {"G": '"a"'}, "placeholders: none"),
        ("INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.AGE = $A", {}, "lacks A"),
        ("INCLUDE ItemID WHERE Items.YEAR = $Y", {"Y": '"1970"'}, "in quotes is a string"),
        ("INCLUDE ItemID WHERE Items.YEAR = $Y", {"Y": "1970,1980"}, "one value, and has 2"),
        ("EXCLUDE ItemID WHERE Items.YEAR = $Y", {"Y": '"new"'}, "in quotes is a string"),
        (
            "EXCLUDE ItemID WHERE Items.YEAR = $Y IF CurrentUser.TIER = $T",
            {"Y": "1970", "T": '"a","b"'},
            "one value, and has 2",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused_whoever_asks(
    expression: str, values: dict[str, str], says: str
) -> None:
    for user in (None, 0):
        with pytest.raises(ServiceFault, match=says) as caught:
            shown(expression, values, user=user)
        assert caught.value.code == "InvalidInputException"


def test_an_exclude_without_its_values_is_ignored_alone() -> None:
    """Source: filterValues in botocore's personalize-runtime model."""
    expression = (
        "EXCLUDE ItemID WHERE Items.GENRE IN ($G) | EXCLUDE ItemID WHERE Items.YEAR = $Y "
        "| INCLUDE ItemID WHERE Items.YEAR < 2000"
    )
    assert shown(expression, {}) == [0, 1, 2]
    assert shown(expression, {"G": '"Drama"'}) == [1]
    assert shown(expression, {"G": '"Drama"', "Y": "1980"}) == []


def test_placeholders_take_lists_numbers_event_types_and_tiers() -> None:
    assert shown("INCLUDE ItemID WHERE Items.GENRE IN ($G)", {"G": '"War","Comedy"'}) == [
        0,
        1,
        2,
        3,
    ]
    assert shown('INCLUDE ItemID WHERE Items.GENRE IN ("War", $G)', {"G": '"Comedy"'}) == [
        0,
        1,
        2,
        3,
    ]
    assert shown("INCLUDE ItemID WHERE Items.YEAR IN ($Y)", {"Y": "1970,1980"}) == [0, 1]
    assert shown("INCLUDE ItemID WHERE Items.YEAR > ($Y)", {"Y": "1979.5"}) == [1, 2, 4]
    events = "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($E)"
    assert shown(events, {"E": '"CLICK"'}, user=0) == [1]
    assert shown(events, {"E": '"*"'}, user=0) == [0, 1, 2]
    tier = "INCLUDE ItemID WHERE Items.YEAR = 1970 IF CurrentUser.TIER = $T"
    assert shown(tier, {"T": '"Trial"'}, user=1) == [0]
    assert shown(tier, {"T": '"Gold"'}, user=1) == [0, 1, 2, 3, 4]


def test_long_lists_of_values_are_not_kept() -> None:
    compiled = compile_filter("f", "INCLUDE ItemID WHERE Items.YEAR IN ($Y)", FILMS)
    tracemalloc.start()
    for request in range(100):
        compiled.mask({"Y": ",".join(map(str, range(request, request + 200)))}, user=1, item=None)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def test_quoted_values_are_text_to_the_current_user_whatever_the_column() -> None:
    """A users data set in CSV has no types: a membership of "1" may be meant as text."""
    users = {"AGE": [30, 31], "TIER": ["1", "2|01"]}
    data = made(events=[(0, 0, 1, "x")], items={"N": [0, 1]}, users=users, actions={})
    for field, value, user, expected in [
        ("AGE =", '"30"', 0, [0]),
        ("AGE =", "30.0", 0, [0]),
        ("AGE !=", '"30"', 1, [0]),
        ("TIER =", '"1"', 0, [0]),
        ("TIER =", '"01"', 1, [0]),
        ("TIER =", '"01"', 0, [0, 1]),
        ("TIER !=", "1", 1, [0]),
    ]:
        expression = f"INCLUDE ItemID WHERE Items.N = 0 IF CurrentUser.{field}"
        assert shown(f"{expression} $V", {"V": value}, user=user, data=data) == expected
