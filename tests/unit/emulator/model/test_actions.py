"""Next best actions: whose scores are 0.0, what the others go by, and in which order they come.

Source: developer guide, "Next-Best-Action recipe".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.emulator import ARN, Emulated, client, emulator

from worker.emulator.errors import EmulatorError

NOW = 1_700_000_000
WEEK = 7 * 86_400
Event = tuple[str, str, str, int]


def events(action: str, taken: int, passed: int, *, kind: str = "NOT_TAKEN") -> list[Event]:
    """Return as many events of users of their own."""
    rows = [(f"t{n}", action, "TAKEN", NOW - n) for n in range(taken)]
    return rows + [(f"n{n}", action, kind, NOW - n) for n in range(passed)]


def table(rows: list[Event]) -> pa.Table:
    names = ("USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP")
    return pa.table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def actions(*names: str, **columns: Any) -> pa.Table:
    return pa.table({"ACTION_ID": list(names), **columns})


def scores(world: Emulated, user: str = "somebody") -> dict[str, float]:
    found = world.actions(userId=user, numResults=100)
    return {each["actionId"]: each["score"] for each in found}


def test_without_action_interactions_every_score_is_0() -> None:
    assert set(scores(Emulated(), "u0001").values()) == {0.0}


@pytest.mark.parametrize(
    ("taken", "passed", "kind", "scored"),
    [
        (50, 50, "NOT_TAKEN", True),
        (50, 50, "VIEWED", True),
        (49, 50, "NOT_TAKEN", False),
        (50, 49, "NOT_TAKEN", False),
        (500, 0, "NOT_TAKEN", False),
        (50, 500, "clicked", False),
        (50, 50, "Not taken", True),  # spellings of the guide and of PutActionInteractions
        (50, 50, "Not Taken", True),
        (50, 50, "Viewed", True),
    ],
)
def test_an_action_has_a_score_from_50_taken_and_50_not_taken_or_viewed_on(
    tmp_path: Path, taken: int, passed: int, kind: str, scored: bool
) -> None:
    done = table(events("a", taken, passed, kind=kind) + events("b", 60, 60))
    found = scores(Emulated(tmp_path, actions=actions("a", "b"), action_interactions=done))
    assert (found["a"] > 0.0) is scored
    assert 0.0 < found["b"] < 1.0


def test_50_of_not_taken_and_viewed_are_enough_together(tmp_path: Path) -> None:
    done = events("a", 50, 25) + events("a", 0, 25, kind="VIEWED")
    world = Emulated(tmp_path, actions=actions("a"), action_interactions=table(done))
    assert scores(world)["a"] == pytest.approx(0.5)


def test_events_of_the_last_six_weeks_count(tmp_path: Path) -> None:
    late = [(user, each, kind, at - 7 * WEEK) for user, each, kind, at in events("old", 90, 90)]
    done = table(late + events("new", 50, 50))
    found = scores(Emulated(tmp_path, actions=actions("new", "old"), action_interactions=done))
    assert found["new"] > found["old"] == 0.0


def test_exact_duplicates_of_an_event_count_once(tmp_path: Path) -> None:
    rows = events("a", 25, 60) + events("a", 25, 60)
    world = Emulated(tmp_path, actions=actions("a"), action_interactions=table(rows))
    assert scores(world)["a"] == 0.0


def test_scores_follow_what_was_taken_and_the_user_s_own_events(tmp_path: Path) -> None:
    rows = events("often", 300, 60) + events("rarely", 60, 300)
    rows += [("keen", "rarely", "TAKEN", NOW - n) for n in range(9)]
    rows += [("weary", "often", "VIEWED", NOW - n) for n in range(9)]
    names = actions("often", "rarely")
    world = Emulated(tmp_path, actions=names, action_interactions=table(rows))
    anybody, keen, weary = (scores(world, user) for user in ("nobody", "keen", "weary"))
    assert anybody["often"] == pytest.approx(300 / 369, abs=1e-3)
    assert anybody["often"] > anybody["rarely"]
    assert keen["rarely"] > anybody["rarely"]
    assert weary["often"] < anybody["often"]
    assert [*keen.values()] == sorted(keen.values(), reverse=True)


def test_of_equally_likely_actions_the_more_valuable_one_comes_first(tmp_path: Path) -> None:
    rows = [event for name in "abc" for event in events(name, 60, 60)]
    names = actions("a", "b", "c", "d", "e", VALUE=[1, 9, 5, 100, None])
    world = Emulated(tmp_path, actions=names, action_interactions=table(rows))
    assert list(scores(world)) == ["b", "c", "a", "d", "e"]
    assert scores(world)["d"] == 0.0


def test_actions_are_those_of_the_interactions_where_no_others_are_given(tmp_path: Path) -> None:
    world = Emulated(tmp_path, action_interactions=table(events("b", 1, 1) + events("a", 1, 1)))
    assert list(scores(world)) == ["a", "b"]


def test_interactions_with_other_actions_are_left_out(tmp_path: Path) -> None:
    rows = events("a", 60, 60) + events("gone", 90, 90)
    world = Emulated(tmp_path, actions=actions("a"), action_interactions=table(rows))
    assert list(scores(world)) == ["a"]


@pytest.mark.parametrize("name", ["USER_ID", "ACTION_ID", "EVENT_TYPE", "TIMESTAMP"])
def test_a_column_that_action_interactions_lack_is_named(tmp_path: Path, name: str) -> None:
    done = table(events("a", 1, 1)).drop_columns([name])
    with pytest.raises(EmulatorError, match=f"action_interactions data set .* no column {name}"):
        Emulated(tmp_path, actions=actions("a"), action_interactions=done)


def test_expired_actions_are_not_recommended(tmp_path: Path) -> None:
    names = actions("gone", "later", "ever", ACTION_EXPIRATION_TIMESTAMP=[10, 2 * NOW, None])
    world = Emulated(tmp_path, actions=names, action_interactions=table(events("gone", 60, 60)))
    assert list(scores(world)) == ["ever", "later"]


def test_times_and_values_of_actions_that_say_nothing_are_as_good_as_absent(
    tmp_path: Path,
) -> None:
    columns: dict[str, Any] = {
        "VALUE": [float("inf"), float("nan"), float("-inf")],
        "ACTION_EXPIRATION_TIMESTAMP": pa.array([None, 2**42, 10_000], pa.timestamp("ms")),
    }
    told = Emulated(tmp_path, actions=actions("b", "a", "gone", **columns))
    assert list(scores(told)) == ["a", "b"]


def test_boto3_gets_scores_of_action_interactions_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "done.csv"
    rows = events("a", 60, 50, kind="VIEWED") + events("b", 49, 50)
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(["USER_ID,ACTION_ID,EVENT_TYPE,TIMESTAMP", *lines]) + "\n")
    with emulator(action_interactions=str(path)) as address:
        found = client("personalize-runtime", address).get_action_recommendations(
            campaignArn=f"{ARN}campaign/next-best-action", userId="nobody"
        )["actionList"]
    assert [each["actionId"] for each in found] == ["a", "b"]
    assert found[0]["score"] == pytest.approx(60 / 110, abs=1e-3)
    assert found[1]["score"] == 0.0
