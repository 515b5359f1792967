"""Filters of actions by what the user did with them.

Source: developer guide, "Action recommendation filter expression examples", "Filter expressions".
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.emulator import ARN, Emulated, client, emulator, filter_arn

from worker.emulator.errors import EmulatorError
from worker.emulator.filters.events import RECENT_ACTIONS_MAX

DONE = [
    ("ann", "card", "TAKEN", 1),
    ("ann", "app", "NOT_TAKEN", 2),
    ("ann", "club", "VIEWED", 3),
    ("bob", "app", "Taken", 4),
    ("bob", "card", "Not taken", 5),
]
ACTIONS = ["app", "card", "club", "mail"]
EVENT_TYPE = "ActionID WHERE Action_Interactions.EVENT_TYPE"
FILTERS = {
    "not-taken": f'EXCLUDE {EVENT_TYPE} IN ("NOT_TAKEN")',
    "chosen": f"INCLUDE {EVENT_TYPE} IN ($EVENT_TYPE)",
    "lower": 'include actionid where action_interactions.event_type in ("taken")',
    "several": f'EXCLUDE {EVENT_TYPE} IN ("TAKEN", "VIEWED")',
    "touched": f'INCLUDE {EVENT_TYPE} IN ("*")',
    "others": f'INCLUDE {EVENT_TYPE} NOT IN ("TAKEN")',
    "mixed": f'EXCLUDE {EVENT_TYPE} IN ("TAKEN") | INCLUDE ActionID WHERE Actions.KIND IN ("ad")',
}
NAMES = ("USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP")


def done(rows: list[tuple[str, str, str, int]]) -> pa.Table:
    return pa.table(dict(zip(NAMES, map(list, zip(*rows, strict=True)), strict=True)))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Emulated:
    folder = tmp_path_factory.mktemp("actions")
    actions = pa.table({"ACTION_ID": ACTIONS, "KIND": ["ad", "ad", "call", "call"]})
    return Emulated(folder, actions=actions, action_interactions=done(DONE), filters=FILTERS)


@pytest.mark.parametrize(
    ("name", "user", "values", "wanted"),
    [
        ("not-taken", "ann", {}, ["card", "club", "mail"]),
        ("not-taken", "bob", {}, ["app", "club", "mail"]),
        ("not-taken", "nobody", {}, ACTIONS),
        ("chosen", "ann", {"EVENT_TYPE": '"TAKEN"'}, ["card"]),
        ("chosen", "ann", {"EVENT_TYPE": '"TAKEN","VIEWED"'}, ["card", "club"]),
        ("chosen", "nobody", {"EVENT_TYPE": '"TAKEN"'}, []),
        ("lower", "bob", {}, ["app"]),
        ("several", "ann", {}, ["app", "mail"]),
        ("touched", "bob", {}, ["app", "card"]),
        ("others", "ann", {}, ["app", "club"]),
        ("mixed", "ann", {}, ["app"]),
    ],
)
def test_actions_are_filtered_by_the_user_s_event_types(
    world: Emulated, name: str, user: str, values: dict[str, str], wanted: list[str]
) -> None:
    found = world.actions(userId=user, filterArn=filter_arn(name), filterValues=values)
    assert sorted(each["actionId"] for each in found) == wanted


def test_a_user_s_300_latest_events_of_a_type_count(tmp_path: Path) -> None:
    rows = [("ann", "first", "VIEWED", 0)]
    rows += [("ann", "second", "VIEWED", n) for n in range(1, RECENT_ACTIONS_MAX)]
    actions = pa.table({"ACTION_ID": ["first", "second"]})
    touched = {"touched": FILTERS["touched"]}
    for more, wanted in ([], ["first", "second"]), ([("ann", "second", "VIEWED", 999)], ["second"]):
        events = done(rows + more)
        world = Emulated(tmp_path, actions=actions, action_interactions=events, filters=touched)
        found = world.actions(userId="ann", filterArn=filter_arn("touched"))
        assert sorted(each["actionId"] for each in found) == wanted


def test_without_action_interactions_such_a_filter_is_refused_at_the_start() -> None:
    with pytest.raises(EmulatorError, match="no data set of action interactions") as caught:
        Emulated(filters={"not-taken": FILTERS["not-taken"]})
    assert "emulator.action_interactions" in caught.value.hint


@pytest.mark.parametrize("condition", ['VALUE IN ("a")', "EVENT_TYPE = 1"])
def test_action_interactions_are_filtered_by_event_type_alone(condition: str) -> None:
    expression = f"EXCLUDE ActionID WHERE Action_Interactions.{condition}"
    with pytest.raises(EmulatorError, match="event type alone"):
        Emulated(filters={"wrong": expression})


def test_boto3_filters_actions_by_action_interactions(tmp_path: Path) -> None:
    path = tmp_path / "done.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in [NAMES, *DONE]) + "\n")
    declared = [{"name": "not-taken", "expression": FILTERS["not-taken"]}]
    with emulator(action_interactions=str(path), filters=declared) as address:
        runtime = client("personalize-runtime", address)
        campaign = f"{ARN}campaign/next-best-action"
        found = runtime.get_action_recommendations(
            campaignArn=campaign, userId="ann", filterArn=filter_arn("not-taken")
        )["actionList"]
        with pytest.raises(runtime.exceptions.InvalidInputException, match="userId"):
            runtime.get_action_recommendations(
                campaignArn=campaign, filterArn=filter_arn("not-taken")
            )
    assert sorted(each["actionId"] for each in found) == ["card", "club"]
