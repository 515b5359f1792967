"""What makes a run this run: every key of the config counts, or does not, by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from worker.config.identity import COUNT, DO_NOT_COUNT, identity
from worker.config.model import Config

ARN = "arn:aws:personalize:us-east-1:123456789012:campaign/c"
FILTER = "arn:aws:personalize:us-east-1:123456789012:filter/f"
PROMOTION = {"name": "p", "percent_promoted_items": 20, "filter_arn": FILTER}
LEAST: dict[str, dict[str, Any]] = {
    "target": {"operation": "GetRecommendations", "campaign_arn": ARN},
    "input": {"path": "in", "columns": {"user_id": "U"}},
    "output": {"path": "out"},
}


def config(**sections: dict[str, Any]) -> Config:
    names = {*LEAST, *sections}
    return Config.model_validate(
        {name: {**LEAST.get(name, {}), **sections.get(name, {})} for name in names}
    )


def models_in(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the tables that a field holds, one or a list of them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for part in get_args(kind):
        yield from models_in(part)


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, field in model.model_fields.items():
        name = prefix + key
        inner = [] if name in DO_NOT_COUNT else [*models_in(field.annotation)]
        yield from (each for table in inner for each in keys_of(table, name + "."))
        if not inner:
            yield name


def test_every_key_of_the_config_is_said_to_count_or_not_to() -> None:
    """A new one? Would results mix that differ in it? Name it in worker/config/identity.py."""
    assert {*keys_of(Config)} == COUNT | DO_NOT_COUNT
    assert not COUNT & DO_NOT_COUNT


def test_keys_at_their_default_are_left_out_and_may_be_said_or_not() -> None:
    plain = {
        "target": {"operation": "GetRecommendations", "campaign_arn": ARN},
        "input": {"columns": {"user_id": "U"}},
    }
    assert identity(config()) == plain
    said = config(
        target={"region": "us-east-1"},
        request={"filter_values": {}, "context": {}, "metadata_columns": [], "promotions": []},
        input={"keep": [], "deduplicate": True},
        output={"layout": "nested", "compression": "zstd", "rows_per_part": 100_000},
        rate={"tps": 7},
    )
    assert identity(said) == plain, "a default that counts has changed: raise RUN_FORMAT"


@pytest.mark.parametrize(
    ("section", "key", "value", "expected"),
    [
        ("target", "region", "eu-west-1", "eu-west-1"),
        ("request", "num_results", 3, 3),
        ("request", "filter_arn", FILTER, FILTER),
        ("request", "context", {"A": "b"}, {"A": "b"}),
        ("request", "promotions", [PROMOTION], [PROMOTION]),
        ("request", "promotions", [{**PROMOTION, "filter_values": {}}], [PROMOTION]),
        ("input", "where", "N > 1", "N > 1"),
        ("input", "keep", ["A", "B"], ["A", "B"]),
        ("input", "deduplicate", False, False),
        ("input", "columns", {"user_id": "V", "context": {"A": "B"}},
         {"user_id": "V", "context": {"A": "B"}}),
        ("output", "layout", "exploded", "exploded"),
        ("output", "rows_per_part", 10, 10),
    ],
)  # fmt: skip
def test_keys_that_count_are_in_it(section: str, key: str, value: object, expected: object) -> None:
    assert identity(config(**{section: {key: value}}))[section][key] == expected


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("target", {"profile": "p", "endpoint_url": "http://127.0.0.1:1", "transport": "sdk"}),
        ("input", {"path": "elsewhere"}),
        ("output", {"path": "elsewhere"}),
        ("rate", {"tps": 5, "in_flight_max": 3}),
        ("retry", {"attempts_max": 1}),
        ("stop", {"error_share_max": 0.5}),
        ("price", {"per_1000_usd": 1.0}),
        ("quality", {"empty_share_max": 0.5}),
    ],
)
def test_keys_that_do_not_count_are_not_in_it(section: str, values: dict[str, Any]) -> None:
    assert identity(config(**{section: values})) == identity(config())
