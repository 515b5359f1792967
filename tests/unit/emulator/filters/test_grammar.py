"""Filter expressions: which are taken, which are refused, where and why."""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pytest
from unit.emulator.filters.filter_data import compile_filter, made

from worker.emulator.data.datasets import Data
from worker.emulator.errors import EmulatorError


@cache
def shop() -> Data:
    columns = {
        name: ["x", "y"] for name in ("CATEGORY", "CATEGORY_L1", "CATEGORY_L2", "PROMOTED", "GENRE")
    }
    return made(
        events=[(0, 0, 1, "Purchase"), (0, 1, 2, "watch")],
        items={
            **columns,
            "YEAR": [1970, 1980],
            "PRICE": [1.5, 2.0],
            "CREATION_TIMESTAMP": [1, 2],
            "IN_STOCK": [True, False],
            "TAGS": [["a", "b"], []],
            "STOCK": ["-1.5e3", "n/a"],
            "ADDED": pa.array([1, 2], pa.timestamp("s")),
            **{f"F{n}": ["x", "y"] for n in range(11)},
        },
        users={"AGE": [30], "MEMBERSHIP": ["Premium"]},
        actions={"CATEGORY": ["a"], "VALUE": [1], "MEMBERSHIP_LEVEL": ["Premium"]},
    )


@pytest.mark.parametrize(
    "expression",
    [
        # The guide's pages item-recommendation-filter-examples and filter-real-time
        "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($EVENT_TYPE)",
        'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click", "stream")',
        'INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("click")',
        "EXCLUDE ItemID WHERE Items.CATEGORY IN ($CATEGORY)",
        'EXCLUDE ItemID WHERE Items.CATEGORY IN ("$CATEGORY")',
        "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE AND Items.GENRE IN CurrentItem.GENRE",
        'EXCLUDE ItemID WHERE Items.CATEGORY_L1 IN ("shoe") AND Items.CATEGORY_L2 NOT IN ("boot")',
        "INCLUDE ItemID WHERE Items.PRICE <= $PRICE",
        "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP < $DATE",
        "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) IF CurrentUser.AGE = $AGE",
        # action-recommendation-filter-examples
        "EXCLUDE ActionID WHERE Actions.CATEGORY IN ($CATEGORY)",
        "INCLUDE ActionID WHERE Actions.VALUE > ($VALUE)",
        """INCLUDE ActionID WHERE Action.MEMBERSHIP_LEVEL IN ("Premium")
           IF CurrentUser.MEMBERSHIP = $PREMIUM""",
        "EXCLUDE ActionID WHERE Actions.VALUE < ($VALUE) IF CurrentUser.MEMBERSHIP = $PREMIUM",
        # spellings in working samples
        'EXCLUDE ItemID WHERE INTERACTIONS.event_type IN ("Purchase")',
        'EXCLUDE ItemID WHERE ITEMS.CATEGORY_L1 NOT IN ("cold dispensed", "hot dispensed")',
        "INCLUDE ItemID WHERE ITEMS.CATEGORY_L1 IN CurrentItem.CATEGORY_L1",
        """EXCLUDE ItemID WHERE INTERACTIONS.event_type IN ("Purchase") |
           INCLUDE ItemID WHERE ITEMS.PROMOTED IN ("Y") AND ITEMS.CATEGORY_L1 NOT IN ("x")""",
        'INCLUDE ItemID WHERE Interactions.EVENT_TYPE in ("*")',
        "INCLUDE ItemID WHERE Interactions.event_type IN ('watched','favorited')",
        "INCLUDE ItemID WHERE Items.YEAR >= 1970 AND Items.YEAR < 1980",
        # the same language, other words of it
        "include itemid where items.year != -1.5e3 or items.genre not in ('a|b', \"it's\")",
        'EXCLUDE\tItemID\nWHERE Items . GENRE IN("a",$B)AND Items.YEAR=$Y',
        'EXCLUDE ItemID WHERE Items.ITEM_ID IN ("i0", "i1") IF CurrentUser.USER_ID IN ("u0")',
        'INCLUDE ItemID WHERE Items.YEAR IN ("1970")',
        "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.AGE >= 18 AND CurrentUser.AGE < $OLD",
        'INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.MEMBERSHIP NOT IN ("Basic", "")',
        'INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.MEMBERSHIP != "Basic"',
        "INCLUDE ItemID WHERE " + " OR ".join(f"Items.F{n} IN ($P)" for n in range(10)),
    ],
)
def test_what_the_service_takes_is_taken(expression: str) -> None:
    compiled = compile_filter("f", expression, shop())
    assert compiled.target == ("actions" if "ActionID" in expression else "items")


@pytest.mark.parametrize(
    ("expression", "at", "says", "advises"),
    [
        # the grammar; `at` is counted from 0
        ("", 0, "has 0 characters", "1 to 2500"),
        ("x" * 2501, 2500, "has 2501 characters", "1 to 2500"),
        ("   ", 0, "ends where the language wants INCLUDE or EXCLUDE", "write it like"),
        ("DROP ItemID", 0, "unexpected 'D'", "write it like"),
        ("INCLUDE Items WHERE", 8, "wants ItemID or ActionID", "write it like"),
        ('INCLUDE ItemID Items.GENRE IN ("a")', 15, "wants WHERE", "write it like"),
        ('INCLUDE ItemID WHERE GENRE IN ("a")', 21, "a field such as Items.GENRE", "write it"),
        ("INCLUDE ItemID WHERE Items.GENRE IN ()", 37, "a quoted string", "write it like"),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("a",)', 41, "a quoted string", "write it like"),
        ("INCLUDE ItemID WHERE Items.GENRE IN (a)", 37, "a quoted string", "write it like"),
        ('INCLUDE ItemID WHERE Items.GENRE IN ("a', 37, "a quote that is not closed", "write it"),
        ("INCLUDE ItemID WHERE " + "9" * 99, 21, f"unexpected '{'9' * 30}' where", "write it like"),
        ("INCLUDE ItemID WHERE Items.YEAR > 1 IFCurrentUser.AGE > 1", 36, "wants", "write it like"),
        ('INCLUDE ItemID WHERE Items.GENRE IN "a"', 36, "wants (", "write it like"),
        ('INCLUDE ItemID WHERE Items.GENRE ("a")', 33, "a comparison", "write it like"),
        ("INCLUDE ItemID WHERE (Items.YEAR > 1)", 21, "unexpected '('", "no parentheses"),
        ("INCLUDE ItemID WHERE Items.YEAR == 1", 33, "unexpected '='", "write it like"),
        ("INCLUDE ItemID WHERE Items.YEAR > 19a", 34, "a number", "write it like"),
        ("INCLUDE ItemID WHERE Items.YEAR > 1 |", 37, "the expression ends", "write it like"),
        ("INCLUDE ItemID WHERE Items.YEAR > 1 AND", 39, "the expression ends", "write it like"),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.AGE > 1 OR CurrentUser.AGE < 9",
            59,
            "unexpected 'OR'",
            "write it like",
        ),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.AGE > 1 IF CurrentUser.AGE < 9",
            59,
            "unexpected 'IF'",
            "write it like",
        ),
        # filter-expression-guidelines-requirements, creating-filter-expressions
        ("INCLUDE UserID WHERE Users.AGE > 1", 8, "user segments", "IF CurrentUser"),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 | EXCLUDE ActionID WHERE Actions.VALUE > 1",
            46,
            "ActionID after ItemID",
            "two filters",
        ),
        ("INCLUDE ItemID WHERE Film.YEAR > 1", 21, "no data set FILM", "Items, Interactions"),
        ("INCLUDE ItemID WHERE Users.AGE > 1", 21, "Users cannot be asked", "IF CurrentUser"),
        ("INCLUDE ItemID WHERE CurrentUser.AGE > 1", 21, "CurrentUser cannot", "IF CurrentUser"),
        ("INCLUDE ItemID WHERE Actions.VALUE > 1", 21, "Actions cannot", "Items or Inter"),
        ("INCLUDE ActionID WHERE Items.YEAR > 1", 23, "Items cannot", "Actions or Action_I"),
        (
            'INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ("TAKEN")',
            23,
            "no data set of action interactions",
            "Actions.FIELD",
        ),
        (
            'EXCLUDE ItemID WHERE Items.YEAR > 1 AND Interactions.EVENT_TYPE IN ("a")',
            40,
            "Interactions in an expression on Items",
            "with |",
        ),
        ('EXCLUDE ItemID WHERE Interactions.DEVICE IN ("a")', 21, "event type alone", '("*")'),
        ("EXCLUDE ItemID WHERE Interactions.EVENT_TYPE = 1", 21, "event type alone", '("*")'),
        ("EXCLUDE ItemID WHERE Items.GENRE NOT IN ($G)", 41, "$G with NOT IN", "opposite action"),
        ('EXCLUDE ItemID WHERE Items.GENRE NOT IN ("$G")', 41, "$G with NOT IN", "opposite"),
        (f"INCLUDE ItemID WHERE Items.YEAR > ${'P' * 51}", 34, "51 characters", "at most 50"),
        ('EXCLUDE ItemID WHERE Items.GENRE IN ("*")', 37, '"*" as a value', "event types"),
        ("INCLUDE ItemID WHERE Items.YEAR IN (1970)", 36, "a number in the list", '"1970"'),
        ("INCLUDE ItemID WHERE Items.YEAR > 1 IF Items.YEAR > 1", 39, "after IF", "WHERE"),
        ("INCLUDE ItemID WHERE Items.YEAR > Items.PRICE", 34, "against ITEMS.PRICE", "CurrentItem"),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.AGE > CurrentItem.YEAR",
            57,
            "against CURRENTITEM.YEAR",
            "only Items.FIELD",
        ),
        ("INCLUDE ItemID WHERE " + " OR ".join(f"Items.F{n} IN ($P)" for n in range(11)), 221,
         "distinct field number 11", "may have 10"),
        # what only the data tell
        ('INCLUDE ItemID WHERE Items.NOPE IN ("a")', 21, "items data set has no column", "PRICE"),
        ("INCLUDE ItemID WHERE Items.YEAR > CurrentItem.NO", 34, "no column NO", "PRICE"),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.NOPE > 1",
            39,
            "users data set has no column NOPE",
            "USER_ID, AGE",
        ),
        ("INCLUDE ActionID WHERE Actions.NOPE > 1", 23, "actions data set has no", "VALUE"),
        (
            "EXCLUDE ActionID WHERE Actions.VALUE > 1 OR Action.action_expiration_timestamp < 9",
            44,
            "filters actions by in any case",
            "leave the condition out",
        ),
        (
            "INCLUDE ActionID WHERE Actions.REPEAT_FREQUENCY < $DAYS",
            23,
            "filters actions by in any case",
            "leave the condition out",
        ),
        ("INCLUDE ItemID WHERE Items.GENRE > 1", 21, "is text such as 'x'", "NOT IN"),
        ("INCLUDE ItemID WHERE Items.STOCK > 1", 21, "is text such as 'n/a'", "empty"),
        ("INCLUDE ItemID WHERE Items.YEAR > CurrentItem.GENRE", 34, "is text", "NOT IN"),
        ('INCLUDE ItemID WHERE Items.YEAR > "1970"', 34, "a string in a comparison", "without"),
        ('INCLUDE ItemID WHERE Items.IN_STOCK IN ("True")', 21, "type bool", '"True"'),
        ("INCLUDE ItemID WHERE Items.ADDED > 1", 21, "type timestamp", "seconds"),
        ('INCLUDE ItemID WHERE Items.TAGS IN ("a")', 21, "type list", "one text with |"),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.MEMBERSHIP > 1",
            39,
            "is text",
            "NOT IN",
        ),
        (
            "INCLUDE ItemID WHERE Items.YEAR > 1 IF CurrentUser.MEMBERSHIP = 1",
            64,
            "a number for",
            '"1"',
        ),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_at_its_place(
    expression: str, at: int, says: str, advises: str
) -> None:
    with pytest.raises(EmulatorError) as caught:
        compile_filter("adults", expression, shop())
    first, shown, caret = caught.value.what.split("\n")
    assert first.startswith("filter adults: ")
    assert first.endswith(f", at character {at + 1} of its expression")
    assert says in first
    assert advises in caught.value.hint
    under = shown[caret.index("^") :][:5]
    assert under.startswith(expression[at : at + 5].rstrip()[: len(under)])


def test_event_types_need_their_column() -> None:
    data = made(events=[(0, 0, 1, None)], items={}, users={}, actions={})
    compile_filter("f", 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("*")', data)
    with pytest.raises(EmulatorError, match="has no event types, at character 22"):
        compile_filter("f", 'EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ("a")', data)


def test_a_long_expression_is_shown_around_the_place() -> None:
    expression = "INCLUDE ItemID WHERE " + "Items.YEAR > 1 AND " * 100 + "?"
    with pytest.raises(EmulatorError) as caught:
        compile_filter("f", expression, shop())
    _, shown, caret = caught.value.what.split("\n")
    assert len(shown) < 100
    assert shown[caret.index("^")] == "?"


def test_what_does_not_print_is_shown_as_a_space() -> None:
    with pytest.raises(EmulatorError) as caught:
        compile_filter("f", "INCLUDE\x1b[31m ItemID", shop())
    _, shown, caret = caught.value.what.split("\n")
    assert shown == "    INCLUDE [31m ItemID"
    assert caret == "           ^"
