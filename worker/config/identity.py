"""What makes a run this run and no other: the keys of the config that count. Pure.

With any of these changed, results would not mix: other requests, rows, columns or parts. How fast,
how long and through which door the service is called does not count, nor where files lie. Each key
of the config is in one of the two lists; a key at its default is left out of the identity, so that
a new one changes no run that is in progress. Whoever changes the default of a key that counts, or
what it means, raises the format of `_run.json` (worker.output.run_folder).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from worker.config.model import Config

COUNT: Final = frozenset(
    {
        "target.operation",
        "target.campaign_arn",
        "target.recommender_arn",
        "target.region",
        "request.num_results",
        "request.filter_arn",
        "request.filter_values",
        "request.context",
        "request.metadata_columns",
        "request.promotions.name",
        "request.promotions.percent_promoted_items",
        "request.promotions.filter_arn",
        "request.promotions.filter_values",
        "input.where",
        "input.keep",
        "input.deduplicate",
        "input.columns.user_id",
        "input.columns.item_id",
        "input.columns.item_list",
        "input.columns.num_results",
        "input.columns.context",
        "input.columns.filter_values",
        "output.layout",
        "output.compression",
        "output.rows_per_part",
    }
)
"""Keys, by name; of a list of tables those of each table."""
DO_NOT_COUNT: Final = frozenset(
    {
        "target.profile",
        "target.endpoint_url",
        "target.ca_bundle",
        "target.transport",
        "input.path",  # what lies there counts: its fingerprint
        "output.path",
        "rate",
        "retry",
        "stop",
        "price",
        "quality",
        "loadtest",
    }
)
"""Keys, and whole sections."""
_TABLES: Final = frozenset(
    name.rsplit(".", depth)[0] for name in COUNT for depth in range(1, name.count(".") + 1)
)


def identity(config: Config) -> dict[str, Any]:
    """Return the keys that count and are not at their default, in sections as in the config."""
    dumped = config.model_dump(mode="json", exclude_defaults=True)
    if config.target.region_name == config.target.arn.split(":")[3]:
        dumped["target"].pop("region", None)
    return _counted(dumped, "")


def _counted(table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    counted: dict[str, Any] = {}
    for key, value in table.items():
        name = prefix + key
        if name in COUNT:
            counted[key] = value
        elif name in _TABLES:
            tables = value if isinstance(value, list) else [value]
            inner = [each for each in (_counted(table, name + ".") for table in tables) if each]
            if inner:
                counted[key] = inner if isinstance(value, list) else inner[0]
    return counted
