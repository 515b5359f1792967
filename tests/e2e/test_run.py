"""`run`: what is read from Parquet reaches the service, and its answers reach Parquet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.runs import (
    ACTIONS,
    FILTER_ARN,
    LISTED,
    RANKING,
    RANKING_COLUMNS,
    RECOMMENDER_ARN,
    RunCommand,
    WriteConfig,
    campaign_arn,
    output_schema,
    results,
    user_ids,
    values,
    write_hive_users,
    write_parquet,
    write_users,
)
from support.scripts import Reply, asked_for, echo, items, serving


def test_both_layouts_hold_the_same_recommendations_in_the_columns_of_the_interface(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, emulator_url: str
) -> None:
    columns = {
        "LOCALE": pa.array(["de", "fr"] * 10).dictionary_encode(),
        "USER_ID": pa.array(user_ids(20), pa.large_string()),
        "AGE": pa.array(range(20), pa.int8()),
        "UNUSED": pa.nulls(20),
    }
    write_parquet(tmp_path / "users.parquet", columns)
    copied: list[tuple[str, pa.DataType]]
    copied = [("USER_ID", pa.large_string()), ("LOCALE", pa.string()), ("AGE", pa.int8())]
    for layout in ("nested", "exploded"):
        config = write_config(
            target={"endpoint_url": emulator_url},
            request={"num_results": 10, "metadata_columns": ["TITLE", "GENRES"]},
            input={"keep": ["LOCALE", "AGE"]},
            output={"path": tmp_path / layout, "layout": layout},
        )
        assert command("run", config).returncode == 0
        schema = results(tmp_path / layout).schema.remove_metadata()
        assert schema.equals(output_schema(copied, layout, "items"))
    nested, exploded = results(tmp_path / "nested"), results(tmp_path / "exploded")
    assert values(nested, "USER_ID") == user_ids(20)
    assert values(nested, "LOCALE") == ["de", "fr"] * 10
    assert values(nested, "AGE") == list(range(20))
    facts = [
        (row["USER_ID"], rank, item)
        for row in nested.to_pylist()
        for rank, item in enumerate(row["items"], start=1)
    ]
    assert len(facts) == 200
    assert [
        (row["USER_ID"], row["rank"], {field.name: row[field.name] for field in LISTED["items"]})
        for row in exploded.to_pylist()
    ] == facts
    for _, _, item in facts:
        assert 0 < item["score"] < 1
        assert dict(item["metadata"]).keys() == {"TITLE", "GENRES"}
    scores = [item["score"] for _, _, item in facts[:10]]
    assert scores == sorted(scores, reverse=True)


def test_related_items_come_without_scores(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, emulator_url: str
) -> None:
    write_parquet(tmp_path / "items.parquet", {"ITEM_ID": ["i0001", "i0002"]})
    config = write_config(
        target={"campaign_arn": campaign_arn("similar-items"), "endpoint_url": emulator_url},
        input={"path": "items.parquet", "columns": {"item_id": "ITEM_ID"}},
    )
    assert command("run", config).returncode == 0
    for row in results(tmp_path / "out").to_pylist():
        assert len(row["items"]) == 25
        assert {item["score"] for item in row["items"]} == {None}
        assert row["ITEM_ID"] not in {item["item_id"] for item in row["items"]}


@pytest.mark.parametrize(("sent", "score"), [("zero", 0.0), ("absent", None)])
def test_ranking_keeps_the_list_and_puts_unknown_items_last_with_the_score_sent(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig, sent: str, score: float | None
) -> None:
    lists = [["nobody-knows", "i0003", "i0001", "i0002"], ["i0009"]]
    write_parquet(tmp_path / "users.parquet", {"USER_ID": user_ids(2), "ITEMS": lists})
    config = write_config(
        target=RANKING,
        input={"columns": RANKING_COLUMNS},
        emulator={"unknown_item_score": sent},
    )
    assert command("run", config, "--emulator").returncode == 0
    first, second = results(tmp_path / "out").to_pylist()
    assert (first["ITEMS"], second["ITEMS"]) == tuple(lists)
    assert {item["item_id"] for item in first["items"]} == set(lists[0])
    *known, unknown = first["items"]
    assert (unknown["item_id"], unknown["score"]) == ("nobody-knows", score)
    assert sum(item["score"] for item in known) == pytest.approx(1.0, abs=1e-5)
    assert [item["item_id"] for item in second["items"]] == ["i0009"]


@pytest.mark.parametrize("layout", ["nested", "exploded"])
def test_actions_have_their_own_list_of_ids_and_scores(
    layout: str, command: RunCommand, tmp_path: Path, write_config: WriteConfig, emulator_url: str
) -> None:
    write_users(tmp_path, 2)
    config = write_config(
        target={**ACTIONS, "endpoint_url": emulator_url},
        request={"num_results": 3},
        output={"layout": layout},
    )
    assert command("run", config).returncode == 0
    table = results(tmp_path / "out")
    wanted = output_schema([("USER_ID", pa.string())], layout, "actions")
    assert table.schema.remove_metadata().equals(wanted)
    if layout == "nested":
        assert [len(actions) for actions in values(table, "actions")] == [3, 3]
    else:
        assert values(table, "rank") == [1, 2, 3, 1, 2, 3]


def test_a_declared_recommender_answers_with_the_built_in_emulator(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    write_users(tmp_path, 3)
    declared = {"name": "top-picks", "use_case": "aws-vod-top-picks"}
    rate = {"min_recommendation_requests_per_second": 500}
    config = write_config(
        target={"campaign_arn": None, "recommender_arn": RECOMMENDER_ARN},
        rate={"tps": None},
        emulator={"recommenders": [{**declared, **rate}]},
    )
    result = command("run", config, "--emulator")
    assert result.returncode == 0, result.stderr
    assert "tps=500" in result.stderr
    assert [len(row) for row in values(results(tmp_path / "out"), "items")] == [25, 25, 25]


PROMOTION = {"name": "spring", "percent_promoted_items": 20, "filter_arn": FILTER_ARN}
EVERY_CONSTANT = {
    "num_results": 25,
    "filter_arn": FILTER_ARN,
    "filter_values": {"LANGUAGE": '"en"', "YEAR": "1980"},
    "context": {"DEVICE": "phone", "DAYPART": "night"},
    "metadata_columns": ["TITLE", "GENRES"],
    "promotions": [{**PROMOTION, "filter_values": {"SEASON": '"spring"'}}],
}
EVERY_COLUMN = {
    "user_id": "USER_ID",
    "num_results": "N",
    "context": {"DAYPART": "DAYPART", "AGE": "AGE"},
    "filter_values": {"GENRE": "GENRES", "YEAR": "YEARS", "MOOD": "MOOD"},
}
SENT_CONSTANTS = {
    "campaignArn": campaign_arn("user-personalization"),
    "filterArn": FILTER_ARN,
    "metadataColumns": {"ITEMS": ["TITLE", "GENRES"]},
    "promotions": [
        {
            "name": "spring",
            "percentPromotedItems": 20,
            "filterArn": FILTER_ARN,
            "filterValues": {"SEASON": '"spring"'},
        }
    ],
}


def test_each_request_has_the_constants_and_the_values_of_its_row(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    columns = {
        "USER_ID": [1, 2],
        "N": pa.array([7, None], pa.int8()),
        "DAYPART": ["morning", None],
        "AGE": [30, 40],
        "GENRES": [["Comedy", "Film-Noir"], ["Drama"]],
        "YEARS": [[1999, 2001], []],
        "MOOD": pa.array(["it's, fine", None]).dictionary_encode(),
    }
    write_parquet(tmp_path / "users.parquet", columns)
    with serving(lambda _: items()) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            request=EVERY_CONSTANT,
            input={"columns": EVERY_COLUMN},
        )
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    assert values(results(tmp_path / "out"), "USER_ID") == [1, 2]
    assert {request.path for request in service.received} == {"/recommendations"}
    by_user = {asked_for(request): request for request in service.received}
    assert by_user["1"].members == {
        **SENT_CONSTANTS,
        "userId": "1",
        "numResults": 7,
        "context": {"DEVICE": "phone", "DAYPART": "morning", "AGE": "30"},
        "filterValues": {
            "LANGUAGE": '"en"',
            "GENRE": '"Comedy","Film-Noir"',
            "YEAR": "1999,2001",
            "MOOD": '"it\'s, fine"',
        },
    }
    assert by_user["2"].members == {
        **SENT_CONSTANTS,
        "userId": "2",
        "numResults": 25,
        "context": {"DEVICE": "phone", "DAYPART": "night", "AGE": "40"},
        "filterValues": {"LANGUAGE": '"en"', "GENRE": '"Drama"', "YEAR": "1980"},
    }


def test_every_field_of_an_answer_arrives_and_what_was_not_sent_is_null(
    tmp_path: Path, command: RunCommand, write_config: WriteConfig
) -> None:
    full = {
        "itemId": "i1",
        "score": 0.0004321,
        "promotionName": "spring",
        "reason": ["popular", "new"],
        "metadata": {"title": "Ölüm & <b>", "genres": ""},
    }
    answers: dict[str, dict[str, Any]] = {
        "u0001": {"itemList": [full, {"itemId": "i2"}], "recommendationId": "RID-1"},
        "u0002": {"itemList": []},
        "u0003": {"recommendationId": "RID-3"},
    }
    write_users(tmp_path, 3)
    began = datetime.now(UTC)
    with serving(lambda request: Reply(body=answers[asked_for(request)])) as service:
        result = command("run", write_config(target={"endpoint_url": service.url}))
    assert result.returncode == 0, result.stderr
    first, second, third = results(tmp_path / "out").to_pylist()
    nothing = {"score": None, "promotion_name": None, "reason": None, "metadata": None}
    assert first["items"] == [
        {
            "item_id": "i1",
            "score": 0.0004321,
            "promotion_name": "spring",
            "reason": ["popular", "new"],
            "metadata": [("title", "Ölüm & <b>"), ("genres", "")],
        },
        {"item_id": "i2", **nothing},
    ]
    assert [row["recommendation_id"] for row in (first, second, third)] == ["RID-1", None, "RID-3"]
    assert (second["items"], third["items"]) == ([], [])
    assert began <= first["requested_at"] <= datetime.now(UTC)
    assert (first["request_id"], first["attempts"]) == ("request-1", 1)
    assert first["latency_ms"] > 0


INPUTS: dict[str, tuple[str, str | None, list[str]]] = {
    "a folder, its hidden files left out": ("in", None, ["u1", "u2", "u3", "u4", "u5"]),
    "a glob": ("in/*/b.parquet", None, ["u3", "u4"]),
    "rows by a column": ("in", "AGE >= 40 AND TIER = 'gold'", ["u3", "u5"]),
    "rows by a hive key": ("in", "date = 2", ["u5"]),
    "rows by a column that nulls are in": ("in", "NOT TIER = 'gold'", ["u2"]),
}


@pytest.mark.parametrize(("path", "where", "users"), INPUTS.values(), ids=INPUTS.keys())
def test_input_may_be(
    path: str,
    where: str | None,
    users: list[str],
    tmp_path: Path,
    command: RunCommand,
    write_config: WriteConfig,
) -> None:
    write_hive_users(tmp_path / "in")
    with serving(echo) as service:
        config = write_config(
            target={"endpoint_url": service.url},
            input={"path": path, "where": where, "keep": ["date"] if path == "in" else None},
        )
        result = command("run", config)
    assert result.returncode == 0, result.stderr
    rows = results(tmp_path / "out").to_pylist()
    assert [row["USER_ID"] for row in rows] == users
    assert sorted(asked_for(request) for request in service.received) == users
    if path == "in":
        dates = {"u1": 1, "u2": 1, "u3": 1, "u4": 1, "u5": 2}
        assert [row["date"] for row in rows] == [dates[user] for user in users]
