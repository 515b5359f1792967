"""The config: four sources, one frozen result, advice for what is wrong."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from support.runs import PROJECT, campaign_arn, toml

from worker.config.load import load_config, load_emulator_settings
from worker.config.model import Config
from worker.config.schema import config_schema
from worker.errors import ConfigError

CONFIGS = sorted((PROJECT / "configs").glob("*.toml"))
SOUND = {
    "target": {"operation": "GetRecommendations", "campaign_arn": campaign_arn("c")},
    "input": {"path": "users.parquet", "columns": {"user_id": "USER_ID"}},
    "output": {"path": "out"},
}


def load(
    folder: Path,
    values: dict[str, Any] = SOUND,
    settings: tuple[str, ...] = (),
    environ: dict[str, str] | None = None,
) -> Config:
    path = folder / "config.toml"
    path.write_text("\n".join(f"{key} = {toml(value)}" for key, value in values.items()))
    return load_config(path, settings=settings, environ=environ or {})


def with_keys(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return SOUND with keys of sections replaced."""
    merged: dict[str, Any] = dict(SOUND)
    for section, keys in sections.items():
        merged[section] = {**merged.get(section, {}), **keys}
    return merged


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads_and_fits_the_schema(path: Path) -> None:
    load_config(path, settings=[], environ={})
    jsonschema.validate(tomllib.loads(path.read_text()), config_schema())
    assert path.read_text().startswith("#:schema ./schema.json\n")


def test_the_shipped_schema_is_current_and_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(config_schema())
    assert json.loads((PROJECT / "configs" / "schema.json").read_text()) == config_schema()


def test_every_key_has_a_description() -> None:
    schema = config_schema()
    models = [schema, *schema["$defs"].values()]
    undescribed = [
        name
        for model in models
        for name, field in model.get("properties", {}).items()
        if not field.get("description") and "$ref" not in json.dumps(field)
    ]
    assert not undescribed


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    values = with_keys(rate={"tps": 1, "in_flight_max": 1, "ramp_s": 1})
    environ = {
        "PERSONALIZE_WORKER__RATE__TPS": "2",
        "PERSONALIZE_WORKER__RATE__IN_FLIGHT_MAX": "2",
        "OTHER": "x",
    }
    rate = load(tmp_path, values, settings=("rate.tps=3",), environ=environ).rate
    assert (rate.tps, rate.in_flight_max, rate.ramp_s) == (3, 2, 1)


@pytest.mark.parametrize(
    ("setting", "seen"),
    [
        ("rate.tps=200", 200.0),
        ("request.context={ DEVICE = 'phone' }", {"DEVICE": "phone"}),
        ("request.metadata_columns=['TITLE', 'YEAR']", ("TITLE", "YEAR")),
        ("output.path=/somewhere/bare", "/somewhere/bare"),
        ("output.path='quoted = too'", "quoted = too"),
    ],
)
def test_a_setting_is_toml_or_else_text(tmp_path: Path, setting: str, seen: object) -> None:
    section, key = setting.split("=", 1)[0].split(".")
    assert getattr(getattr(load(tmp_path, settings=(setting,)), section), key) == seen


def test_a_loaded_config_cannot_be_changed(tmp_path: Path) -> None:
    config = load(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        config.rate.tps = 3.0


def test_the_region_comes_from_the_arn_unless_it_is_given(tmp_path: Path) -> None:
    assert load(tmp_path).target.region_name == "us-east-1"
    values = with_keys(target={"region": "eu-west-1"})
    assert load(tmp_path, values).target.region_name == "eu-west-1"


RANKING = {"operation": "GetPersonalizedRanking"}
ACTIONS = {"operation": "GetActionRecommendations"}
FILTER_ARN = "arn:aws:personalize:us-east-1:1:filter/f"
PROMOTION = {"name": "p", "percent_promoted_items": 20, "filter_arn": FILTER_ARN}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"rat": {"tps": 1}}, "rat: unknown key; did you mean rate?"),
        ({"rate": {"tsp": 1}}, "rate.tsp: unknown key; did you mean rate.tps?"),
        ({"rate": {"xyzzy": 1}}, "rate.xyzzy: unknown key; known: tps, ramp_s"),
        ({"rate": {"tps": 0}}, "rate.tps: should be greater than 0 (seen: 0)"),
        ({"rate": {"tps": -5}}, "rate.tps: should be greater than 0 (seen: -5)"),
        ({"rate": {"tps": "fast"}}, "rate.tps: should be a valid number"),
        ({"rate": {"tps": True}}, "rate.tps: should be a number, not true"),
        ({"request": {"num_results": True}}, "num_results: should be a number, not true"),
        (
            {"loadtest": {"stages": [{"tps": 1, "seconds": 1}, {"tps": 2, "seconds": True}]}},
            "loadtest.stages.1.seconds: should be a number, not true",
        ),
        ({"rate": {"ramp_from": 5}}, "rate.ramp_s: is missing"),
        ({"rate": {"tps": 5, "ramp_s": 9, "ramp_from": 6}}, "ramp_from: must not exceed tps"),
        ({"output": {"path": ""}}, "output.path: should have at least 1 character"),
        ({"input": {"keep": "AGE"}}, "input.keep: should be a list in brackets (seen: 'AGE')"),
        ({"request": {"promotions": [5]}}, "request.promotions.0: should be a table of keys (se"),
        ({"request": {"context": 5}}, 'request.context: should be a table such as { KEY = "value"'),
        (
            {"request": {"metadata_columns": list("ABCDEFGHIJK")}},
            "request.metadata_columns: should have at most 10 items, not 11",
        ),
        ({"target": {"operation": "GetItems"}}, "target.operation: should be 'GetRec"),
        ({"target": {"campaign_arn": "nope"}}, "target.campaign_arn: is not a campaign ARN"),
        ({"target": {"campaign_arn": FILTER_ARN}}, "is not a campaign ARN; it looks like arn:aws"),
        ({"target": {"recommender_arn": "arn:aws:personalize:r:1:recommender/x"}}, "exactly one"),
        ({"target": {"transport": "http"}}, "target.transport: should be 'wire' or 'sdk'"),
        (
            {"target": {"endpoint_url": "http://key:secret@h"}},
            "target.endpoint_url: must have no user",
        ),
        ({"target": {"endpoint_url": "http://h:99999"}}, "target.endpoint_url: Port out of range"),
        (
            {"target": {"endpoint_url": "http://h:1\n"}},
            "space or line's end (seen: 'http://h:1\\n')",
        ),
        ({"target": {"region": "us-east-1\n"}}, "target: the region 'us-east-1\\n' is none"),
        ({"target": {"region": "us east"}}, "target: the region 'us east' is none"),
        ({"target": {"campaign_arn": "arn:aws:personalize:a\r:1:campaign/c"}}, "'a\\r' is none"),
        ({"target": {"ca_bundle": "a\0b"}}, "target.ca_bundle: must have no NUL"),
        ({"input": {"path": "\0"}}, "input.path: must have no NUL"),
        ({"emulator": {"items": "\0", "interactions": "i"}}, "emulator.items: must have no NUL"),
        ({"price": {"per_1000_usd": math.inf}}, "price.per_1000_usd: should be a finite number"),
        ({"target": {"endpoint_url": "127.0.0.1:80"}}, "target.endpoint_url: is not an address"),
        ({"request": {"num_results": 501}}, "request.num_results: should be less than or eq"),
        (
            {"request": {"num_results": 51, "metadata_columns": ["A"]}},
            "request.num_results: GetRecommendations returns at most 50 with metadata_columns",
        ),
        ({"target": ACTIONS, "request": {"num_results": 101}}, "returns at most 100 (seen: 101)"),
        ({"request": {"metadata_columns": ["A"] * 11}}, "request.metadata_columns: should"),
        ({"request": {"promotions": [PROMOTION, PROMOTION]}}, "request.promotions: should"),
        (
            {"request": {"promotions": [{**PROMOTION, "filter_values_": {}}]}},
            "filter_values_: unknown key; did you mean request.promotions.0.filter_values?",
        ),
        (
            {"request": {"promotions": [{**PROMOTION, "percent_promoted_items": 101}]}},
            "percent_promoted_items: should be less than or equal to 100 (seen: 101)",
        ),
        ({"request": {"context": {"a b": "x"}}}, "request.context.a b: should match"),
        ({"request": {"filter_values": {"A": '"x"'}}}, "request.filter_arn: is missing"),
        ({"target": RANKING}, "input.columns.item_list: is missing; GetPersonalizedRanking needs"),
        ({"target": ACTIONS, "request": {"context": {"A": "b"}}}, "has no such field; remove it"),
        ({"input": {"columns": {}}}, "input.columns: needs user_id, or item_id"),
        ({"input": {"columns": {"user": "U"}}}, "unknown key; did you mean input.columns.user_id?"),
        ({"input": {"keep": ["USER_ID"]}}, "input.keep: 'USER_ID' is copied already"),
        ({"input": {"path": "s3://bucket/x"}}, "input.path: must be a path of this machine"),
        ({"output": {"layout": "wide"}}, "output.layout: should be 'nested' or 'exploded'"),
        ({"stop": {"deadline": "soon"}}, "stop.deadline: is neither a time"),
        ({"stop": {"cost_usd_max": 5}}, "price.per_1000_usd: is missing"),
        ({"emulator": {"sed": 3}}, "emulator.sed: unknown key; did you mean emulator.seed?"),
    ],
)
def test_what_is_wrong_is_named_with_what_was_seen(
    tmp_path: Path, changed: dict[str, dict[str, Any]], problem: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, with_keys(**changed))
    assert problem in caught.value.what
    assert caught.value.exit_code == 2
    assert "--set" in caught.value.hint


def test_a_mistake_in_the_environment_is_looked_for_there(tmp_path: Path) -> None:
    mistaken = {"PERSONALIZE_WORKER__RATE__TSP": "3", "HOME": "/"}
    with pytest.raises(
        ConfigError, match=r"\.toml with PERSONALIZE_WORKER__RATE__TSP is not valid"
    ):
        load(tmp_path, environ=mistaken)
    with pytest.raises(ConfigError, match=r"_TSP, --set is not valid:\n  rate\.tps: should be gre"):
        load(tmp_path, environ=mistaken, settings=("rate.tps=0",))
    with pytest.raises(ConfigError, match=r"config\.toml is not valid:\n  rate\.tsp"):
        load(tmp_path, with_keys(rate={"tsp": 1}))


def test_a_recommender_cannot_rank(tmp_path: Path) -> None:
    target = {
        "operation": "GetPersonalizedRanking",
        "recommender_arn": "arn:aws:personalize:us-east-1:1:recommender/x",
    }
    with pytest.raises(ConfigError, match="takes a campaign_arn, not a recommender_arn"):
        load(tmp_path, {**SOUND, "target": target})


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, with_keys(rate={"tps": 0}, retry={"timeout_s": 0}, stp={}))
    assert all(key in caught.value.what for key in ("rate.tps", "retry.timeout_s", "stp"))


@pytest.mark.parametrize("setting", ["rate.tps", "=3", ""])
def test_a_setting_without_a_value_is_refused(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="is not section"):
        load(tmp_path, settings=(setting,))


def test_the_emulator_takes_its_section_and_the_targets_region(tmp_path: Path) -> None:
    load(tmp_path, with_keys(target={"region": "eu-west-1"}, emulator={"seed": 7}))
    settings = load_emulator_settings(
        tmp_path / "config.toml", settings=["emulator.port=0"], environ={}
    )
    assert (settings.seed, settings.port, settings.region) == (7, 0, "eu-west-1")


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("port=true", "emulator.port: should be a whole number"),
        ("weather.error_shares={ InternalFailure = true }", "should be a number"),
    ],
)
def test_a_boolean_is_no_number_of_the_emulator_either(key: str, says: str, tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(ConfigError, match=rf"{says} \(seen: True\)"):
        load_emulator_settings(tmp_path / "config.toml", settings=[f"emulator.{key}"], environ={})


def test_a_file_for_the_emulator_needs_no_other_section(tmp_path: Path) -> None:
    path = tmp_path / "emulator.toml"
    path.write_text("[emulator]\nseed = 5\n")
    assert load_emulator_settings(path, settings=[], environ={}).seed == 5
    assert load_emulator_settings(None, settings=[], environ={}).seed == 1


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    credentials = [{"access_key_id": "AKIA0000000000000000", "secret_access_key": 123456789}]
    with pytest.raises(ConfigError, match="secret_access_key") as caught:
        load(tmp_path, with_keys(emulator={"credentials": credentials}))
    assert "123456789" not in caught.value.what
