"""Settings: what is accepted, what is refused and how, and that they stay light."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

import worker.emulator
from worker.emulator.conditions.settings import (
    CapacitySettings,
    CredentialSettings,
    StallSettings,
    WeatherSettings,
)
from worker.emulator.recipes import CAMPAIGN_RECIPES, USE_CASES, Kind
from worker.emulator.resources import Resources
from worker.emulator.settings import CampaignSettings, EmulatorSettings, RecommenderSettings

USER_PERSONALIZATION = {"name": "home", "recipe": "aws-user-personalization-v2"}


def test_everything_has_a_default() -> None:
    settings = EmulatorSettings()
    assert (settings.host, settings.port, settings.region) == ("127.0.0.1", 8765, "us-east-1")


def test_every_setting_says_what_it_is_for() -> None:
    schema = EmulatorSettings.model_json_schema()
    shapes = [schema, *schema["$defs"].values()]
    assert all(
        "description" in setting for shape in shapes for setting in shape["properties"].values()
    )


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"campains": []}, "campains"),
        ({"port": 65536}, "65535"),
        ({"port": -1}, "greater than or equal to 0"),
        ({"seed": -1}, "greater than or equal to 0"),
        ({"region": "US East"}, "pattern"),
        ({"interactions": ""}, "at least 1 character"),
        ({"items": "items.parquet"}, "given without interactions"),
        ({"users": "users.parquet"}, "given without interactions"),
        ({"campaigns": [{"name": "a", "recipe": "aws-vod-top-picks"}]}, "aws-similar-items"),
        ({"campaigns": [{"name": "a", "recipe": "user-personalization"}]}, "it knows: aws-hrnn"),
        ({"recommenders": [{"name": "a", "use_case": "aws-sims"}]}, "aws-vod-top-picks"),
        ({"campaigns": [{"name": "no/slash", "recipe": "aws-sims"}]}, "pattern"),
        ({"campaigns": [{"name": "a" * 64, "recipe": "aws-sims"}]}, "63"),
        ({"campaigns": [USER_PERSONALIZATION] * 2}, "two campaigns are called 'home'"),
        ({"campaigns": [USER_PERSONALIZATION | {"min_provisioned_tps": 0}]}, "equal to 1"),
    ],
)
def test_wrong_settings_are_refused_with_a_message_that_helps(
    values: dict[str, Any], says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        EmulatorSettings.model_validate(values)


MODELS = (
    EmulatorSettings, CampaignSettings, RecommenderSettings, CapacitySettings, CredentialSettings,
    StallSettings, WeatherSettings,
)  # fmt: skip
NUMBERS = [
    (model, name)
    for model in MODELS
    for name, field in model.model_fields.items()
    if set(re.findall(r"\w+", str(field.annotation))) & {"int", "float"}
]


def test_there_are_settings_that_are_numbers() -> None:
    assert {"port", "seed", "min_provisioned_tps", "error_shares", "reset_share", "every_s",
            "latency_ms_p99", "expires_after_s", "ranking_influence"} <= {
        name for _, name in NUMBERS
    }  # fmt: skip


@pytest.mark.parametrize(("model", "name"), NUMBERS)
@pytest.mark.parametrize("wrong", ["true", '"1"', "NaN", "Infinity"])
def test_a_number_is_a_number_alone(model: type[BaseModel], name: str, wrong: str) -> None:
    key = {"error_shares": "InternalFailure", "ranking_influence": "FRESHNESS"}.get(name)
    given = f'{{"{key}": {wrong}}}' if key else wrong
    with pytest.raises(ValidationError) as caught:
        model.model_validate_json(f'{{"{name}": {given}}}')
    assert name in {each["loc"][0] for each in caught.value.errors() if each["loc"]}


def test_a_campaign_and_a_recommender_may_share_a_name() -> None:
    name = USER_PERSONALIZATION["name"]
    settings = EmulatorSettings.model_validate(
        {
            "campaigns": [USER_PERSONALIZATION],
            "recommenders": [{"name": name, "use_case": "aws-vod-top-picks"}],
        }
    )
    assert settings.campaigns[0].name == settings.recommenders[0].name == name


def test_without_declared_resources_every_recipe_has_a_campaign_under_its_short_name() -> None:
    resources = Resources(EmulatorSettings(region="eu-west-1"))
    prefix = "arn:aws:personalize:eu-west-1:000000000000:"
    assert len(CAMPAIGN_RECIPES) == len(resources.campaigns)
    for name, recipe in CAMPAIGN_RECIPES.items():
        short = name.removeprefix("aws-")
        found = resources.find("campaignArn", f"{prefix}campaign/{short}")
        assert (found.name, found.recipe) == (short, recipe)
        assert found.metadata == (recipe.kind is not Kind.ACTION)
    for short in ("user-personalization", "personalized-ranking", "similar-items", "sims"):
        assert resources.find("campaignArn", f"{prefix}campaign/{short}").name == short


def test_without_declared_resources_every_use_case_has_a_recommender_under_its_short_name() -> None:
    resources = Resources(EmulatorSettings())
    assert {each.name for each in resources.recommenders} == {
        name.removeprefix("aws-") for name in USE_CASES
    }
    arn = "arn:aws:personalize:us-east-1:000000000000:recommender/vod-top-picks"
    assert resources.find("recommenderArn", arn).recipe.name == "aws-vod-top-picks"


@pytest.mark.parametrize(
    "declared",
    [
        {"campaigns": [USER_PERSONALIZATION]},
        {"recommenders": [{"name": "picks", "use_case": "aws-vod-top-picks"}]},
    ],
)
def test_one_declared_resource_replaces_the_default_ones_of_both_kinds(
    declared: dict[str, Any],
) -> None:
    resources = Resources(EmulatorSettings.model_validate(declared))
    assert len(resources.campaigns) + len(resources.recommenders) == 1


def test_the_account_is_a_setting_of_12_digits() -> None:
    for account in ("123456789012", 123456789012):
        settings = {"account": account, "campaigns": [USER_PERSONALIZATION]}
        (campaign,) = Resources(EmulatorSettings.model_validate(settings)).campaigns
        assert campaign.arn == "arn:aws:personalize:us-east-1:123456789012:campaign/home"
    for wrong in ("12345678901", "1234567890123", "12345678901a", 12345678901):
        with pytest.raises(ValidationError, match="account"):
            EmulatorSettings.model_validate({"account": wrong})


def test_filters_have_arns_and_their_own_names() -> None:
    unseen = {"name": "unseen", "expression": "EXCLUDE ItemID WHERE Items.YEAR > 1990"}
    (found,) = Resources(EmulatorSettings.model_validate({"filters": [unseen]})).filters
    assert found.arn == "arn:aws:personalize:us-east-1:000000000000:filter/unseen"
    assert found.expression == unseen["expression"]
    with pytest.raises(ValidationError, match="two filters are called 'unseen'"):
        EmulatorSettings.model_validate({"filters": [unseen, unseen]})


def test_importing_the_settings_imports_nothing_heavy() -> None:
    code = (
        "import sys, worker.emulator.settings, worker.emulator.errors; "
        "print(*sorted({'numpy', 'scipy', 'httptools', 'pyarrow', 'botocore'} "
        "& set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


def test_the_emulator_imports_nothing_from_the_rest_of_the_package() -> None:
    for path in Path(worker.emulator.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path.name}:{node.lineno} imports relatively"
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] != "worker" or name.startswith("worker.emulator."), (
                    f"{path.name}:{node.lineno} imports {name}"  # type: ignore[attr-defined] # every import has a line
                )
